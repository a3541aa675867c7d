// Goal: the index of a scan says of each aggregation how many distinct shards there are, and where.
// Method: a few made-up shards, added in any order.
#include "player/shard_index.h"

#include <gtest/gtest.h>

namespace tlog::player {
namespace {

FoundShard shard_of(AggregationNumber number, Epoch epoch, std::uint64_t tag, unsigned index) {
  FoundShard shard;
  shard.number = number;
  shard.epoch = epoch;
  shard.tag = tag;
  shard.index = static_cast<std::uint8_t>(index);
  shard.data = 2;
  shard.parity = 1;
  shard.where = static_cast<std::uint32_t>(number * 100 + index);
  return shard;
}

TEST(ShardIndex, counts_distinct_shards) {
  ShardIndex index;
  for (unsigned i : {2U, 0U, 0U, 1U}) index.add(shard_of(7, 2, 70, i));
  index.add(shard_of(7, 1, 71, 0));
  index.add(shard_of(7, 2, 72, 0));
  index.add(shard_of(7, 2, 72, 2));
  index.add(shard_of(3, 1, 30, 1));
  FoundShard misfit = shard_of(5, 1, 50, 0);
  misfit.data = 4;
  index.add(misfit);
  index.finish();
  EXPECT_EQ(index.geometry(), (shard::Geometry{2, 1}));
  EXPECT_EQ(index.copies(), 1U);
  EXPECT_EQ(index.misfits(), 1U);
  EXPECT_EQ(index.size(), 7U);
  EXPECT_EQ(index.last(), 7U);
  EXPECT_EQ(index.aggregations(), 2U);
  const auto seventh = index.at(7);
  ASSERT_EQ(seventh.size(), 3U);
  EXPECT_EQ(seventh[0], (Candidate{7, 2, 72, 2}));
  EXPECT_EQ(seventh[1], (Candidate{7, 2, 70, 3}));
  EXPECT_EQ(seventh[2], (Candidate{7, 1, 71, 1}));
  EXPECT_TRUE(index.enough(seventh[0]));
  EXPECT_FALSE(index.enough(seventh[2]));
  EXPECT_TRUE(index.at(5).empty());
  EXPECT_EQ(index.before(8), 7U);
  EXPECT_EQ(index.before(7), 3U);
  EXPECT_EQ(index.before(3), 0U);
  ASSERT_NE(index.find(seventh[1], 2), nullptr);
  EXPECT_EQ(index.find(seventh[1], 2)->where, 702U);
  EXPECT_EQ(index.find(seventh[2], 2), nullptr);
  EXPECT_EQ(index.find({6, 1, 60, 0}, 0), nullptr);
  EXPECT_EQ(index.epochs().at(1).first, 3U);
  EXPECT_EQ(index.epochs().at(1).last_enough, 0U);
  EXPECT_EQ(index.epochs().at(2).last_enough, 7U);
}

TEST(ShardIndex, empty) {
  ShardIndex index;
  index.finish();
  EXPECT_EQ(index.last(), 0U);
  EXPECT_EQ(index.before(100), 0U);
  EXPECT_TRUE(index.at(1).empty());
}

}  // namespace
}  // namespace tlog::player
