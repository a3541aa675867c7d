// Board: what is known of each server, and what the write concern makes of it. Written by the
// loop's thread, read by any.
//
// Servers that write one log (Mark::log) count as one, with the best of them.
// Threading: any thread.
#pragma once

#include <vector>

#include "server/client/log_client.h"
#include "tlog/base/mutex.h"

namespace tlog::client {

struct Mark {
  Marker marker;
  Uuid log;  // nil: never connected
  // What it says is believed: it has been connected, and its log is this one.
  bool counts = false;
  bool connected = false;  // now: what it has received and not stored is still there
};

// The n-th greatest of what `sequence_of` says of each log, 0 when there are fewer.
Sequence nth_greatest(const std::vector<Mark>& marks, unsigned n,
                      const std::function<Sequence(const Mark&)>& sequence_of);

class Board {
 public:
  Board(const std::vector<std::string>& servers, WriteConcern concern);

  void update(std::size_t index, const std::function<void(Mark&)>& change);
  Mark at(std::size_t index) const;
  // A server says that its log is `log`, instead of `before` (nil: not known), and that so much of
  // it is stored: what others that write the same have said before is no more than that.
  void log_is(const Uuid& before, const Uuid& log, Sequence stored);
  bool believes(const Uuid& log) const;  // some server's that has it counts
  std::vector<Marker> markers() const;

  Sequence stored() const;
  Sequence stored_by(unsigned servers) const;
  // As many as WriteConcern::received, which have it in memory at least; of those that are gone
  // only what they have stored counts.
  Sequence received() const;
  // How many logs are being sent to.
  unsigned sending() const;
  // Each server that is not being sent to, and why: "a:1: connecting: ...; b:1: ...".
  std::string troubles() const;
  // How far each is that is being sent to.
  std::string backlogs() const;

 private:
  const WriteConcern concern_;
  mutable Mutex mutex_;
  std::vector<Mark> marks_ GUARDED_BY(mutex_);
};

}  // namespace tlog::client
