// File: tlog/base/clock.h
// The time of day and the time that passes, behind an interface so that tests and simulations bring
// their own. Threading: any thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "tlog/base/types.h"

namespace tlog {

constexpr std::uint64_t kNsPerMs = 1'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimestampNs wall_ns() const = 0;         // UTC; may jump
  virtual std::uint64_t monotonic_ns() const = 0;  // never goes back
};

// The operating system's clocks, or what the thread's environment says instead. Stateless; the
// reference is valid for ever.
const Clock& system_clock();

// system_clock()'s monotonic time, for CondVar::wait_until().
std::chrono::steady_clock::time_point steady_now();

}  // namespace tlog
