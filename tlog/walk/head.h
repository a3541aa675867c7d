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

struct ProbeOptions {
  AggregationNumber after = 0;  // known to be stored
  // Per store: what it calls absent may have been there (it was wiped).
  std::vector<bool> forgetful;
  bool accept_loss = false;  // what is undecided is taken for never committed
};

// The last number behind `after` without a gap of which enough shards are stored to read it.
// kUnavailable when stores that do not answer leave it undecided.
Result<AggregationNumber> probe_head(const LogPlace& place, const format::Metadata& metadata,
                                     const ProbeOptions& options, Logger& logger);

// For who has found that it cannot be read: whether it may have been committed all the same.
bool may_be_committed(const LogPlace& place, const format::Metadata& metadata,
                      AggregationNumber number, const FetchCounts& found);

}  // namespace tlog::walk
