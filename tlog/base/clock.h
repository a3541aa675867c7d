// File: tlog/base/clock.h
// The time of day and the time that passes, behind an interface so that tests and simulations bring
// their own. Threading: any thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "tlog/base/types.h"

namespace tlog {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimestampNs wall_ns() const = 0;         // UTC; may jump
  virtual std::uint64_t monotonic_ns() const = 0;  // never goes back
};

// The operating system's clocks. Stateless; the reference is valid for ever.
const Clock& system_clock();

}  // namespace tlog
