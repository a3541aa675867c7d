// File: tlog/base/watermark.h
// Watermark: a sequence that only grows, and the threads that wait for it, on one futex word: an
// advance costs one system call when somebody waits and none otherwise. Threading: any thread.
// After poison() every wait ends at once.
#pragma once

#include <atomic>
#include <cstdint>

namespace tlog {

class Watermark {
 public:
  enum class Outcome { kReached, kTimeout, kPoisoned, kEnded };
  static constexpr std::uint64_t kForever = ~std::uint64_t{0};

  std::uint64_t value() const { return value_.load(); }
  void advance(std::uint64_t to);  // ignored when smaller
  void poison();
  // `timeout_ns` from now. A target that has been reached is kReached even when poisoned. `ended`:
  // who sets it, and calls wake() then, ends this wait alone; borrowed.
  Outcome wait(std::uint64_t target, std::uint64_t timeout_ns = kForever,
               const std::atomic<bool>* ended = nullptr);
  void wake();  // who waits looks again

 private:
  std::atomic<std::uint64_t> value_{0};
  std::atomic<std::uint32_t> version_{0};  // the futex word: changes with every advance
  std::atomic<std::uint32_t> waiters_{0};
  std::atomic<bool> poisoned_{false};
};

}  // namespace tlog
