// File: player/point.h
// The point of a vdisk's life that a restore goes to, and the range of those that can be reached.
// Threading: pure but for the reader that is walked.
// Errors: kNotFound for a point outside of the range, which the message names; never "the newest
// instead".
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tlog/walk/log_reader.h"

namespace tlog::player {

// What the user asked for.
struct Until {
  enum class Kind { kNewest, kSequence, kTime, kMark } kind = Kind::kNewest;
  Sequence sequence = 0;
  TimestampNs time = 0;
  std::string mark;
};

// What the stores hold; first_sequence 0: the log is empty.
struct Range {
  Sequence first_sequence = 0;
  Sequence last_sequence = 0;
  TimestampNs first_time = 0;
  TimestampNs last_time = 0;
  bool empty() const { return last_sequence == 0; }
};
std::string describe(const Range& range);  // "sequences 1 to 9 (2026-... to 2026-...)"

struct Mark {
  std::string name;
  Sequence sequence = 0;
  TimestampNs time = 0;
};

// A visit's veto: false stops what is under way (progress and interruption).
using Watch = std::function<bool(const walk::Visited&)>;

Result<Range> reachable_range(walk::LogReader& reader);
// All marks, oldest first: reads the whole log. What was found before an error is in `marks`.
Status find_marks(walk::LogReader& reader, const Watch& watch, std::vector<Mark>& marks);

// Where to stop: the first record with a greater sequence, or with a later time, is not applied.
struct Cut {
  Sequence sequence = 0;
  TimestampNs time = ~TimestampNs{0};
};
struct ResolveOptions {
  TimestampNs now = 0;
  // Damage met while looking for a time or a mark does not end the search with an error.
  bool up_to_damage = false;
  Watch watch;
};
Result<Cut> resolve(walk::LogReader& reader, const Until& until, const Range& range,
                    const ResolveOptions& options);

}  // namespace tlog::player
