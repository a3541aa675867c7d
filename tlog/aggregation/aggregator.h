// File: tlog/aggregation/aggregator.h
// When an aggregation closes and what goes into it; step 3 of a write's way. flushSize is a
// minimum: under load an aggregation takes what has gathered, up to kAggregationDataMax, so that
// the cost of each is shared by more records. Threading: values and pure functions.
#pragma once

#include <vector>

#include "tlog/base/types.h"
#include "tlog/format/aggregation.h"

namespace tlog::aggregation {

struct Policy {
  std::uint64_t flush_size = 25;  // records
  std::uint64_t flush_time_ns = 25'000'000'000;
};

// What waits: durable records that are in no aggregation yet.
struct Waiting {
  std::uint64_t records = 0;
  std::uint64_t oldest_age_ns = 0;
  bool forced = false;  // somebody waits for them to be stored
};

bool is_due(const Policy& policy, const Waiting& waiting);

// Fills one aggregation: take() until it says no.
class Gatherer {
 public:
  bool takes(std::uint64_t data_length) const;
  void add(std::uint64_t data_length);
  std::uint64_t records() const { return records_; }
  std::uint64_t data_bytes() const { return data_bytes_; }

 private:
  std::uint64_t records_ = 0;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace tlog::aggregation
