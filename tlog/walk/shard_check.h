// File: tlog/walk/shard_check.h
// Whether what a store holds under a shard's key is that shard: intact, of this vdisk, aggregation
// and place. Where it was found proves nothing. Threading: pure.
#pragma once

#include "tlog/walk/log_place.h"

namespace tlog::walk {

struct ShardPlace {
  Epoch epoch = 0;
  AggregationNumber number = 0;
  unsigned index = 0;
};
// kCorruption: what is wrong with it.
Result<shard::ShardView> check_shard(const LogPlace& log, const ShardPlace& place,
                                     ConstByteSpan stored);

}  // namespace tlog::walk
