// File: tlog/session/scrub_plan.h
// ScrubPlan: when a vdisk's log is scrubbed in the background, and from where.
//
// There are two passes through the log, each with its own interval, counted from the end of one to
// the beginning of the next: the light one, which is quick and goes first, and the deep one, which
// waits for it. A pass that was interrupted, by a restart, by a scrub that somebody asked for, or
// by the other one, goes on where it was. What was due while nobody served the vdisk is due soon
// after the opening; each vdisk has a moment of its own for that, so that not all of them begin at
// once, and another one for its first scrub.
//
// Threading: one thread. Times are wall clock: one that jumps back makes nobody wait for longer
// than one interval.
#pragma once

#include <optional>

#include "tlog/flush/scrub_file.h"
#include "tlog/flush/scrub_status.h"

namespace tlog::session {

struct ScrubIntervals {
  std::uint64_t light_ns = 0;  // 0: never
  std::uint64_t deep_ns = 0;
  std::uint64_t of(bool deep) const { return deep ? deep_ns : light_ns; }
};

class ScrubPlan {
 public:
  // What is waited for after an opening, at most; a tenth of the interval when that is shorter.
  static constexpr std::uint64_t kSpreadMaxNs = 3'600'000'000'000;

  // `vdisk` decides which moment it has.
  ScrubPlan(const flush::ScrubRecord& record, const Uuid& vdisk, TimestampNs opened);

  struct Run {
    bool deep = false;
    AggregationNumber first = 1;
    bool continues = false;  // what this life has begun
  };
  // What is to be scrubbed now.
  std::optional<Run> due(const ScrubIntervals& intervals, TimestampNs now);
  TimestampNs next_at(bool deep, const ScrubIntervals& intervals) const;  // 0: never

  void begun(bool deep, TimestampNs now);
  // What the log says of the pass that was begun last, also after its end.
  void came_to(bool deep, const flush::ScrubStatus& status, TimestampNs now);

  const flush::ScrubPass& pass(bool deep) const { return record_.of(deep); }
  // For the file: as far as it is settled, so that a restart loses nothing that was found and is
  // not mended.
  flush::ScrubRecord to_keep() const;

 private:
  struct Life {                 // what is known of a pass beside the record
    bool begun = false;         // it, or the one before, in this life
    flush::ScrubFound before;   // found in earlier lives
    flush::ScrubStatus status;  // what has become of it in this one
    // The last one had found what was not mended when the process ended.
    bool unsettled = false;
  };
  Life& life(bool deep) { return deep ? deep_ : light_; }
  const Life& life(bool deep) const { return deep ? deep_ : light_; }
  TimestampNs spread_at(std::uint64_t interval_ns) const;

  flush::ScrubRecord record_;
  std::uint64_t share_;  // of 1000, of each span of time that vdisks are spread over
  TimestampNs opened_;
  Life light_;
  Life deep_;
};

}  // namespace tlog::session
