#include "tlog/aggregation/aggregator.h"

#include "tlog/base/limits.h"

namespace tlog::aggregation {

bool is_due(const Policy& policy, const Waiting& waiting) {
  if (waiting.records == 0) return false;
  return waiting.forced || waiting.records >= policy.flush_size ||
         waiting.oldest_age_ns >= policy.flush_time_ns;
}

bool Gatherer::takes(std::uint64_t data_length) const {
  if (records_ == 0) return true;  // one record always fits: kRecordDataMax <= kAggregationDataMax
  return records_ < kAggregationRecordsMax && data_bytes_ + data_length <= kAggregationDataMax;
}

void Gatherer::add(std::uint64_t data_length) {
  ++records_;
  data_bytes_ += data_length;
}

}  // namespace tlog::aggregation
