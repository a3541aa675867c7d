// Goal: ranges of bytes become exactly the blocks that they change, with the old bytes around them,
// whatever the alignment; also in a last block that is not whole. Method: random ranges that do not
// overlap, against an array.
#include "tlog/blocks/block_batch.h"

#include <gtest/gtest.h>

#include <random>

namespace tlog::blocks {
namespace {

constexpr std::uint64_t kSize = 20 * 4096 + 1536;

ClusterLayout layout() {
  return {.vdisk = "vm1", .uuid = {}, .size = kSize, .block_size = 4096, .servers = 3};
}

// What the changes make of `disk`, which is a whole number of blocks.
void change_disk(const BlockChanges& changes, std::vector<std::byte>& disk) {
  for (const BlockRange& range : changes.zeros) {
    ASSERT_LT(range.first, range.end);
    ASSERT_LE(range.end, layout().blocks());
    std::fill(disk.begin() + range.first * 4096, disk.begin() + range.end * 4096, std::byte{0});
  }
  for (const BlockBytes& block : changes.data) {
    ASSERT_EQ(block.bytes.size(), 4096u);
    ASSERT_FALSE(all_zero(block.bytes)) << block.index;
    std::copy(block.bytes.begin(), block.bytes.end(), disk.begin() + block.index * 4096);
  }
}

TEST(BlockBatch, changes_exactly_the_ranges) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<std::byte> expected(layout().blocks() * 4096);
  std::vector<std::byte> disk = expected;
  std::vector<std::byte> fresh(kSize);
  for (int round = 0; round < 500; ++round) {
    for (std::byte& byte : fresh) byte = static_cast<std::byte>(random());
    BlockBatch batch(layout());
    std::uint64_t at = 0;
    while (at < kSize) {
      std::uint64_t length = 1 + random() % 12000;
      if (random() % 2 == 0) length = round_up(length, 4096);
      length = std::min(length, kSize - at);
      const auto begin = static_cast<std::ptrdiff_t>(at);
      const auto end = static_cast<std::ptrdiff_t>(at + length);
      switch (random() % 4) {
        case 0:
          break;
        case 1:
          batch.zero(at, length);
          std::fill(expected.begin() + begin, expected.begin() + end, std::byte{0});
          break;
        default:
          batch.write(at, std::span(fresh).subspan(at, length));
          std::copy(fresh.begin() + begin, fresh.begin() + end, expected.begin() + begin);
      }
      at += length;
    }
    std::vector<std::byte> old;
    for (std::uint64_t index : batch.partial()) {
      const auto begin = disk.begin() + static_cast<std::ptrdiff_t>(index * 4096);
      old.insert(old.end(), begin, begin + 4096);
    }
    change_disk(batch.changes(old), disk);
    ASSERT_EQ(disk, expected) << "round " << round;
  }
}

TEST(BlockBatch, a_block_that_is_given_whole_needs_no_old_bytes_and_is_not_copied) {
  std::vector<std::byte> bytes(4096, std::byte{7});
  BlockBatch batch(layout());
  batch.write(4096, bytes);
  EXPECT_TRUE(batch.partial().empty());
  const BlockChanges changes = batch.changes({});
  ASSERT_EQ(changes.data.size(), 1u);
  EXPECT_EQ(changes.data[0].bytes.data(), bytes.data());
}

TEST(BlockBatch, the_last_block_is_whole_at_the_vdisks_end) {
  std::vector<std::byte> bytes(1536, std::byte{7});
  BlockBatch batch(layout());
  batch.write(20 * 4096, bytes);
  EXPECT_TRUE(batch.partial().empty());
  batch.clear();
  batch.zero(19 * 4096 + 1, 4095 + 1536);
  EXPECT_EQ(batch.partial(), std::vector<std::uint64_t>{19});
}

TEST(BlockBatch, other_servers_blocks_are_left_out) {
  std::vector<std::byte> bytes(6 * 4096, std::byte{7});
  BlockBatch batch(layout(), {false, true, false});
  batch.write(0, bytes);
  const BlockChanges changes = batch.changes({});
  ASSERT_EQ(changes.data.size(), 2u);
  EXPECT_EQ(changes.data[0].index, 1u);
  EXPECT_EQ(changes.data[1].index, 4u);
}

}  // namespace
}  // namespace tlog::blocks
