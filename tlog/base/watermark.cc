#include "tlog/base/watermark.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

#include "tlog/base/clock.h"

namespace tlog {
namespace {

long futex(std::atomic<std::uint32_t>* word, int operation, std::uint32_t value,
           const timespec* timeout) {
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(word), operation | FUTEX_PRIVATE_FLAG,
                 value, timeout, nullptr, 0);
}

}  // namespace

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
  if (waiters_.load() != 0) futex(&version_, FUTEX_WAKE, INT_MAX, nullptr);
}

Watermark::Outcome Watermark::wait(std::uint64_t target, std::uint64_t timeout_ns) {
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
    if (timeout_ns == kForever) {
      futex(&version_, FUTEX_WAIT, version, nullptr);
      continue;
    }
    std::uint64_t passed = system_clock().monotonic_ns() - start;
    if (passed >= timeout_ns) {
      outcome = Outcome::kTimeout;
      break;
    }
    std::uint64_t left = timeout_ns - passed;
    timespec timeout{.tv_sec = static_cast<time_t>(left / 1'000'000'000),
                     .tv_nsec = static_cast<long>(left % 1'000'000'000)};
    futex(&version_, FUTEX_WAIT, version, &timeout);
  }
  waiters_.fetch_sub(1);
  return outcome;
}

}  // namespace tlog
