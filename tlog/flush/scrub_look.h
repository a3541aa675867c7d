// File: tlog/flush/scrub_look.h
// What a scrub (scrub.h) sees when it looks at one aggregation, and its judgement. Threading:
// values and pure functions.
#pragma once

#include <string>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/result.h"
#include "tlog/shard/shard.h"
#include "tlog/walk/log_place.h"

namespace tlog::flush {

enum class ShardVerdict { kGood, kMissing, kWrong, kUnreachable };

struct ScrubbedShard {
  ShardVerdict verdict = ShardVerdict::kUnreachable;
  std::uint64_t length = 0;
  Buffer value;  // deep, until it has been checked
  shard::Identity identity;
  std::string why;

  void has(std::uint64_t bytes) {
    verdict = ShardVerdict::kGood;
    length = bytes;
  }
  void has_failed(const Error& error);
};

struct ScrubLook {
  std::uint64_t run = 0;
  AggregationNumber number = 0;
  Epoch epoch = 0;
  std::string key;
  std::vector<ScrubbedShard> shards;
  std::size_t waiting = 0;
};

// Each value that was read by itself: its checksum, and that it is the shard that belongs there.
void check_values(const walk::LogPlace& place, ScrubLook& look);
// All shards of an aggregation have one length and name one hash.
void compare_shards(ScrubLook& look);

}  // namespace tlog::flush
