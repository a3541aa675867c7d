// File: tlog/session/sealing.h
// Sealing: the strand that turns durable records into stored aggregations; steps 3 to 5 of a
// write's way, and the hand-over to step 6. Records are read where they lie in the arena, or back
// from the journal's files when the arena has moved on.
//
// Threading: step() on a worker, or in a thread that waits for what it seals; one at a time.
// Errors: journal bytes that cannot be read back or are wrong are final for the vdisk: never is
// anything skipped.
#pragma once

#include <deque>

#include "tlog/aggregation/aggregator.h"
#include "tlog/flush/appending.h"
#include "tlog/flush/log_writer.h"
#include "tlog/seal/sealer.h"
#include "tlog/session/core.h"

namespace tlog::session {

class Sealing {
 public:
  using Start = flush::Appending::Start;
  // on_stored: the sequence up to which everything is stored, on the loop's thread.
  Sealing(Core& core, const seal::Sealer& sealer, flush::LogWriter& log, Start start,
          std::function<void(Sequence)> on_stored);

  bool step();                               // false: nothing (more) is due
  bool due() const REQUIRES(core_.mutex());  // step() would find something, if the log takes it

 private:
  struct Job {
    Sequence first = 0;
    std::vector<journal::Entry> entries;
    const std::byte* memory = nullptr;  // of the first entry's position, in the arena; or
    Buffer read_back;                   // the same from the files
    journal::Position begin = 0;
    bool urgent = false;
  };
  bool stores_pace();
  bool take(Job& job);
  Status fill(Job& job);
  Status seal_and_append(Job& job);
  static std::vector<format::Record> records_of(const Job& job);

  Core& core_;
  flush::LogWriter& log_;
  flush::Appending appending_;
  const std::function<void(Sequence)> on_stored_;
  Sequence stored_seen_ = 0;
  std::uint64_t stored_seen_ns_ = 0;  // monotonic, when it was seen first
};

}  // namespace tlog::session
