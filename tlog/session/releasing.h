// File: tlog/session/releasing.h
// Releasing: the strand that gives journal space back. What is stored in the log and applied is
// made durable in block storage, then the journal's tail moves. The standby never holds the
// journal: it reads the log.
//
// Threading: step() on a worker, one at a time.
// Errors: a failed flush of block storage is final for the vdisk (its dirty pages may be gone): the
// next opening applies everything from the journal's tail again. A storage that says kUnavailable
// or kTimeout has lost nothing: it is tried again, and the journal keeps what it has.
#pragma once

#include "tlog/session/core.h"

namespace tlog::session {

class Releasing {
 public:
  explicit Releasing(Core& core) : core_(core) {}

  bool step();                               // false: nothing (more) to do
  bool due() const REQUIRES(core_.mutex());  // step() would find something
  // Everything releasable, however little, at the next step: after an idle spell and at closing.
  void want_all();
  // After a failed attempt: when to try again, as a duration from now. Set once before serving
  // starts.
  std::function<void(std::uint64_t after_ns)> retry_later;
  // At closing, when all is stored and applied: the journal is left clean.
  Status release_clean();

 private:
  Sequence releasable_end() const REQUIRES(core_.mutex());
  Status release_up_to(Sequence end, bool clean);
  void note_unsynced(Sequence end);

  Core& core_;
  bool want_all_ = false;       // guarded by core_.mutex()
  std::uint64_t retry_ns_ = 0;  // monotonic, the same: not tried again before
};

}  // namespace tlog::session
