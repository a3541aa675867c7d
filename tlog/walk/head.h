// File: tlog/walk/head.h
// Finds how far a log goes: asks the stores for the shards of the next numbers, whose keys are
// predictable, from a number on that is known to be stored. An aggregation that was committed is
// never taken for absent: too few answers are an error, not the end of the log. Threading: not from
// the loop's thread.
#pragma once

#include <vector>

#include "tlog/base/log.h"
#include "tlog/walk/fetch.h"
#include "tlog/walk/log_place.h"

namespace tlog::walk {

// Whose "absent" proves nothing. Per store; shorter: not of those behind its end.
struct Doubts {
  // It has lost what it had of the vdisk, if it had anything.
  std::vector<bool> forgetful = {};
  // It is not closed for earlier writers: what it has not may still come, and count for them. That
  // is no loss.
  std::vector<bool> not_fenced = {};
};

struct ProbeOptions {
  AggregationNumber after = 0;  // known to be stored
  Doubts doubts = {};
  bool accept_loss = false;  // what is undecided is taken for never committed
};

// The last number behind `after` without a gap of which enough shards are stored to read it.
// kUnavailable when stores that do not answer leave it undecided.
Result<AggregationNumber> probe_head(const LogPlace& place, const format::Metadata& metadata,
                                     const ProbeOptions& options, Logger& logger);

// For who has found that it cannot be read: whether it may have been committed all the same. What
// was not asked for may be there.
bool may_be_committed(const LogPlace& place, const format::Metadata& metadata, const Doubts& doubts,
                      AggregationNumber number, const FetchCounts& found);

}  // namespace tlog::walk
