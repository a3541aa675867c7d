// File: tlog/session/lag_pacing.h
// LagPacing: slows the writers down before a promise of maxLag is broken (session/lag.h).
//
// A write that goes on now is behind everything that is acknowledged and not stored (or not on the
// standby): it will be there when all of that is, and what is gathered with it, which takes (that)
// / (the rate at which it comes nearer). This, or the age of the oldest such write if it is more,
// is what is used up of the promise. Up to three quarters of it nothing is delayed. Above, each
// write of b takes (b / rate) x (1 - f) / f of the writers' common time, where f is the share of
// the last quarter that is left: nothing at first; where half of it is left, the writers are as
// fast as what is behind them; at the promise they do not get on at all.
//
// Threading: guarded by the session's lock. Time is monotonic.
#pragma once

#include <cstdint>

namespace tlog::session {

class LagPacing {
 public:
  static constexpr double kSlowFrom = 0.75;

  struct Progress {
    std::uint64_t max_ns = 0;  // the promise, not 0
    std::uint64_t age_ns = 0;  // of the oldest that has not been reached
    // In bytes, or in records.
    std::uint64_t reached = 0;  // grows
    std::uint64_t behind = 0;   // acknowledged and not reached
    std::uint64_t step = 0;     // of `behind` may be gathered together and arrive at once
  };
  // To be told of at every write, and while one waits, so that the rate is known.
  void measure(const Progress& progress, std::uint64_t now_ns);
  // Of the promise, that is used up: 1 is all of it.
  double share(const Progress& progress) const;
  // When a write of so much may go on: `now_ns` when it need not wait. At most `wait_max_ns` later.
  std::uint64_t begin_at(const Progress& progress, std::uint64_t amount, std::uint64_t wait_max_ns,
                         std::uint64_t now_ns);

 private:
  bool begun_ = false;  // measuring has
  std::uint64_t from_ = 0;
  std::uint64_t from_ns_ = 0;
  double rate_ = 0;            // a nanosecond; 0: not known
  double step_ = 0;            // in which `reached` grows: what is gathered together
  std::uint64_t next_ns_ = 0;  // when the writers' common time is used up
};

}  // namespace tlog::session
