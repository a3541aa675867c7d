// File: tests/support/set_clock.h
// SetClock: the time of day as the test sets it, which stands still otherwise; what passes is the
// system's. Threading: any thread.
#pragma once

#include <atomic>

#include "tlog/base/clock.h"

namespace tlog::testing {

class SetClock final : public Clock {
 public:
  TimestampNs wall_ns() const override { return wall_.load(); }
  std::uint64_t monotonic_ns() const override { return system_clock().monotonic_ns(); }
  void advance(std::uint64_t ns) { wall_ += ns; }

 private:
  std::atomic<TimestampNs> wall_{1'700'000'000'000'000'000};
};

}  // namespace tlog::testing
