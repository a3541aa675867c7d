#include "player/batch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>

namespace tlog::player {
namespace {

// What a target would hold after the changes; checks on the way what a batch promises.
void apply(std::vector<std::byte>& disk, std::span<const Change> changes) {
  std::uint64_t end = 0;
  for (const Change& change : changes) {
    ASSERT_GE(change.offset, end) << "changes overlap or are not in order";
    ASSERT_GT(change.length, 0U);
    end = change.end();
    ASSERT_LE(end, disk.size());
    if (change.kind != ChangeKind::kData) {
      ASSERT_TRUE(change.pieces.empty());
      std::memset(disk.data() + change.offset, 0, change.length);
      continue;
    }
    std::uint64_t at = change.offset;
    for (ConstByteSpan piece : change.pieces) {
      std::memcpy(disk.data() + at, piece.data(), piece.size());
      at += piece.size();
    }
    ASSERT_EQ(at, end);
  }
}

format::Record write_of(std::uint64_t offset, const std::vector<std::byte>& data) {
  format::Record record;
  record.operation = Operation::kWrite;
  record.offset = offset;
  record.size = data.size();
  record.data = data;
  return record;
}

format::Record range_of(Operation operation, std::uint64_t offset, std::uint64_t size) {
  format::Record record;
  record.operation = operation;
  record.offset = offset;
  record.size = size;
  return record;
}

TEST(Batch, neighbours_become_one_change) {
  std::vector<std::byte> a(4096, std::byte{1}), b(4096, std::byte{2}), c(512, std::byte{3});
  Batch batch;
  batch.add(write_of(4096, b));
  batch.add(write_of(0, a));
  batch.add(write_of(8192, c));
  auto changes = batch.changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].offset, 0U);
  EXPECT_EQ(changes[0].length, 8704U);
  EXPECT_EQ(changes[0].pieces.size(), 3U);
}

TEST(Batch, newest_wins) {
  std::vector<std::byte> old_bytes(16384, std::byte{1}), new_bytes(4096, std::byte{2});
  Batch batch;
  batch.add(write_of(0, old_bytes));
  batch.add(write_of(4096, new_bytes));
  std::vector<std::byte> disk(16384);
  apply(disk, batch.changes());
  EXPECT_EQ(disk[4095], std::byte{1});
  EXPECT_EQ(disk[4096], std::byte{2});
  EXPECT_EQ(disk[8191], std::byte{2});
  EXPECT_EQ(disk[8192], std::byte{1});
}

TEST(Batch, zeros_become_a_discard) {
  std::vector<std::byte> data(3 * 4096);
  data[8192] = std::byte{7};
  Batch batch;
  batch.add(write_of(4096, data));
  auto changes = batch.changes();
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].kind, ChangeKind::kDiscard);
  EXPECT_EQ(changes[0].offset, 4096U);
  EXPECT_EQ(changes[0].length, 8192U);
  EXPECT_EQ(changes[1].kind, ChangeKind::kData);
  EXPECT_EQ(changes[1].offset, 12288U);
}

TEST(Batch, marks_and_barriers_change_nothing) {
  std::vector<std::byte> name(4, std::byte{'m'});
  format::Record mark;
  mark.operation = Operation::kMark;
  mark.size = name.size();
  mark.data = name;
  Batch batch;
  batch.add(mark);
  batch.add(range_of(Operation::kFlush, 0, 0));
  EXPECT_TRUE(batch.changes().empty());
}

// Any records, in any order and overlapping: the same bytes as applying them one by one.
TEST(Batch, same_bytes_as_one_by_one) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr std::uint64_t kDisk = 64 * kKiB;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::byte> expected(kDisk), got(kDisk);
    for (int rounds_of_batch = 0; rounds_of_batch < 2; ++rounds_of_batch) {
      Batch batch;
      std::vector<std::vector<std::byte>> kept;
      std::vector<format::Record> records;
      unsigned count = random() % 40;
      bool aligned = random() % 2 == 0;
      for (unsigned i = 0; i < count; ++i) {
        std::uint64_t unit = aligned ? 4096 : 1;
        std::uint64_t offset = random() % (kDisk / unit) * unit;
        std::uint64_t size =
            std::min<std::uint64_t>(kDisk - offset, (1 + random() % (16384 / unit)) * unit);
        switch (random() % 4) {
          case 0:
            records.push_back(range_of(Operation::kDiscard, offset, size));
            break;
          case 1:
            records.push_back(range_of(Operation::kZero, offset, size));
            break;
          default: {
            std::vector<std::byte> data(size);
            bool zero = random() % 4 == 0;
            for (std::byte& byte : data) byte = static_cast<std::byte>(zero ? 0 : random());
            kept.push_back(std::move(data));
            records.push_back(write_of(offset, kept.back()));
          }
        }
      }
      for (const format::Record& record : records) {
        batch.add(record);
        if (record.operation == Operation::kWrite) {
          std::memcpy(expected.data() + record.offset, record.data.data(), record.size);
        } else {
          std::memset(expected.data() + record.offset, 0, record.size);
        }
      }
      apply(got, batch.changes());
      ASSERT_EQ(got, expected) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace tlog::player
