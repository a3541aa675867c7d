#include "tlog/base/watermark.h"

#include "tlog/base/clock.h"
#include "tlog/base/futex.h"

namespace tlog {

void Watermark::advance(std::uint64_t to) {
  std::uint64_t have = value_.load();
  while (have < to && !value_.compare_exchange_weak(have, to)) {
  }
  if (have < to) wake();
}

void Watermark::poison() {
  poisoned_.store(true);
  wake();
}

void Watermark::wake() {
  version_.fetch_add(1);
  if (waiters_.load() != 0) futex_wake(version_, kWakeAll);
}

Watermark::Outcome Watermark::wait(std::uint64_t target, std::uint64_t timeout_ns,
                                   const std::atomic<bool>* ended) {
  if (value_.load() >= target) return Outcome::kReached;
  const std::uint64_t start = system_clock().monotonic_ns();
  waiters_.fetch_add(1);
  Outcome outcome = Outcome::kReached;
  for (;;) {
    std::uint32_t version = version_.load();
    if (value_.load() >= target) break;
    if (poisoned_.load()) {
      outcome = Outcome::kPoisoned;
      break;
    }
    if (ended != nullptr && ended->load()) {
      outcome = Outcome::kEnded;
      break;
    }
    if (timeout_ns == kForever) {
      futex_wait(version_, version);
      continue;
    }
    std::uint64_t passed = system_clock().monotonic_ns() - start;
    if (passed >= timeout_ns) {
      outcome = Outcome::kTimeout;
      break;
    }
    std::uint64_t left = timeout_ns - passed;
    futex_wait(version_, version, &left);
  }
  waiters_.fetch_sub(1);
  return outcome;
}

}  // namespace tlog
