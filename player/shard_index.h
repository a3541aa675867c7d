// File: player/shard_index.h
// ShardIndex: which intact shards of ONE vdisk a scan has found, and where: 32 bytes for each,
// which is all that a recovery keeps of a log in memory. Threading: a value; after finish() const
// calls from any thread.
#pragma once

#include <map>
#include <vector>

#include "tlog/base/types.h"
#include "tlog/shard/shard.h"

namespace tlog::player {

struct FoundShard {
  AggregationNumber number = 0;
  Epoch epoch = 0;
  std::uint64_t tag = 0;    // of the aggregation's hash: tells two of one number and epoch apart
  std::uint32_t where = 0;  // of the pile, or, unless `usual`, of the list of odd names
  std::uint8_t index = 0;
  std::uint8_t data = 0;  // k
  std::uint8_t parity = 0;
  bool usual = true;  // it has the name that it should have
};
static_assert(sizeof(FoundShard) == 32);

std::uint64_t tag_of(const Hash256& hash);

// One aggregation of which shards were found.
struct Candidate {
  AggregationNumber number = 0;
  Epoch epoch = 0;
  std::uint64_t tag = 0;
  unsigned shards = 0;  // distinct
  friend bool operator==(const Candidate&, const Candidate&) = default;
};

class ShardIndex {
 public:
  void add(const FoundShard& shard) { shards_.push_back(shard); }
  std::size_t size() const { return shards_.size(); }

  // Sorts; drops shards of another geometry than most have, and second copies.
  void finish();
  shard::Geometry geometry() const { return geometry_; }
  std::uint64_t copies() const { return copies_; }
  std::uint64_t misfits() const { return misfits_; }

  // After finish():
  std::vector<Candidate> at(AggregationNumber number) const;  // epochs descending
  // The greatest number below `number` of which anything was found; 0: none.
  AggregationNumber before(AggregationNumber number) const;
  const FoundShard* find(const Candidate& of, unsigned index) const;
  bool enough(const Candidate& candidate) const { return candidate.shards >= geometry_.data; }
  struct EpochExtent {
    AggregationNumber first = 0;        // of which any shard was found
    AggregationNumber last_enough = 0;  // of which enough shards were found; 0: none
  };
  const std::map<Epoch, EpochExtent>& epochs() const { return epochs_; }
  AggregationNumber last() const { return shards_.empty() ? 0 : shards_.back().number; }
  std::uint64_t aggregations() const { return aggregations_; }  // of which enough were found

 private:
  std::vector<FoundShard> shards_;
  shard::Geometry geometry_;
  std::map<Epoch, EpochExtent> epochs_;
  std::uint64_t aggregations_ = 0;
  std::uint64_t copies_ = 0;
  std::uint64_t misfits_ = 0;
};

}  // namespace tlog::player
