// TestClock: a clock that a test moves on, so that nobody waits for a day. Threading: any thread.
#pragma once

#include <atomic>

#include "tlog/base/clock.h"

namespace tlog::testing {

class TestClock final : public Clock {
 public:
  enum class Kind {
    kStands,  // time passes only when the test says so
    kRuns     // the system's time, and what the test has added
  };
  explicit TestClock(Kind kind)
      : runs_(kind == Kind::kRuns),
        wall_ns_(runs_ ? 0 : system_clock().wall_ns()),
        monotonic_ns_(runs_ ? 0 : system_clock().monotonic_ns()) {}

  TimestampNs wall_ns() const override { return wall_ns_ + (runs_ ? system_clock().wall_ns() : 0); }
  std::uint64_t monotonic_ns() const override {
    ++asked_;
    return monotonic_ns_ + (runs_ ? system_clock().monotonic_ns() : 0);
  }
  void pass(std::uint64_t ns) {
    wall_ns_ += ns;
    monotonic_ns_ += ns;
  }
  // Somebody sets the time of day; nothing has passed.
  void set_forward(std::uint64_t ns) { wall_ns_ += ns; }
  std::uint64_t asked() const { return asked_; }  // how often, for the time that passes

 private:
  const bool runs_;
  std::atomic<TimestampNs> wall_ns_;
  std::atomic<std::uint64_t> monotonic_ns_;
  mutable std::atomic<std::uint64_t> asked_{0};
};

}  // namespace tlog::testing
