// File: tlog/session/pacing.h
// Pacing: slows the writers down while the journal fills because what is behind it does not keep
// up, so that they approach the rate at which space is released instead of running into a wall.
// Step 1 of a write's way, before wait_for_room.
//
// What counts is what could not be released yet (not what merely was not): below three quarters of
// the journal nothing is delayed. Above, each write of b bytes takes (b / rate) x (1 - f) / f of
// the writers' common time, where f is the share of the last quarter that is left, and the rate
// that at which space becomes releasable, but not less than a quarter of the journal in
// stallTimeout. So the delay grows from nothing; where half of the quarter is left, the writers are
// as fast as what is behind them; and when nothing moves at all it keeps growing until there is no
// room.
//
// Threading: guarded by the session's lock. Time is monotonic.
#pragma once

#include <cstdint>

namespace tlog::session {

class Pacing {
 public:
  // Nothing is delayed while less than this share is in use ...
  static constexpr double kSlowFrom = 0.75;
  // ... and nobody need ask while less than this is: from here on the rate is measured, so that it
  // is known when it is needed.
  static constexpr double kWatchFrom = 0.25;

  struct Fill {
    std::uint64_t total = 0;  // bytes that the journal has
    std::uint64_t stall_timeout_ns = 0;
    std::uint64_t held = 0;        // of them, of what cannot be released
    std::uint64_t releasable = 0;  // stream position up to which everything can be
    double other = 0;              // how full the fullest other resource is, 0 ... 1
  };
  // When a write of so many bytes may go on: `now_ns` when it need not wait. At most stallTimeout
  // later. Nobody waits before the rate has been measured.
  std::uint64_t begin_at(const Fill& fill, std::uint64_t bytes, std::uint64_t now_ns);

 private:
  void measure(std::uint64_t releasable, bool is_slow, std::uint64_t now_ns);

  std::uint64_t next_ns_ = 0;  // when the writers' common time is used up
  bool begun_ = false;         // measuring has
  bool known_ = false;         // rate_ is
  std::uint64_t asked_ns_ = 0;
  std::uint64_t measured_ns_ = 0;
  std::uint64_t measured_at_ = 0;  // position
  double rate_ = 0;                // bytes a nanosecond
};

}  // namespace tlog::session
