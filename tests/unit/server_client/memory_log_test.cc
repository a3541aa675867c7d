// Goal: a MemoryLog gives out what was appended, keeps it until it is stored, and never more than
// it may. Method: one thread that appends, one that stores.
#include "server/client/memory_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/test_clock.h"
#include "tlog/base/limits.h"

namespace tlog::client {
namespace {

constexpr std::uint64_t kLong = 60'000'000'000;

std::string text(const format::Record& record) {
  return {reinterpret_cast<const char*>(record.data.data()), record.data.size()};
}

TEST(MemoryLog, GivesOutWhatWasAppended) {
  MemoryLog log({});
  protocol::LogPosition head;
  head.sequence = 41;
  log.begin_behind(head);
  EXPECT_EQ(log.end(), 41U);
  EXPECT_EQ(*log.append(bytes_of("one"), 0, 7), 42U);
  EXPECT_EQ(*log.append(bytes_of("two"), 0), 43U);
  auto batch = log.take(42, ~Sequence{0}, 1);
  ASSERT_TRUE(batch && *batch);
  ASSERT_EQ((*batch)->records.size(), 1U);
  batch = log.take(42, ~Sequence{0}, 1000);
  ASSERT_TRUE(batch && *batch);
  ASSERT_EQ((*batch)->records.size(), 2U);
  EXPECT_EQ(text((*batch)->records[0]), "one");
  EXPECT_EQ((*batch)->records[0].offset, 7U);
  EXPECT_EQ(text((*batch)->records[1]), "two");
  EXPECT_EQ((*batch)->records[1].sequence, 43U);
}

// One server may have had it alone.
TEST(MemoryLog, WhatItBeginsBehindIsStoredWhenThatIsSaid) {
  MemoryLog log({});
  protocol::LogPosition head;
  head.sequence = 41;
  log.begin_behind(head);
  EXPECT_EQ(log.wait_stored(41, 0).error().code(), Code::kTimeout);
  log.stored(41);
  EXPECT_TRUE(log.wait_stored(41, 0));
}

TEST(MemoryLog, LetsGoOfWhatIsStored) {
  MemoryLog log({});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log.append(bytes_of("12345678"), 0));
  EXPECT_EQ(log.held_bytes(), 5 * (8 + MemoryLog::kRecordCost));
  log.stored(3);
  EXPECT_EQ(log.held_bytes(), 2 * (8 + MemoryLog::kRecordCost));
  EXPECT_FALSE(log.take(3, ~Sequence{0}, 1)->has_value());
  EXPECT_TRUE(log.take(4, ~Sequence{0}, 1)->has_value());
  EXPECT_FALSE(log.take(6, ~Sequence{0}, 1)->has_value());
  EXPECT_TRUE(log.wait_stored(3, 0));
  EXPECT_EQ(log.wait_stored(4, 0).error().code(), Code::kTimeout);
}

TEST(MemoryLog, WhoAppendsWaitsWhileItIsFull) {
  MemoryLog log({.bytes_max = 100 + 2 * MemoryLog::kRecordCost});
  const std::string big(80, 'x');
  ASSERT_TRUE(log.append(bytes_of(std::string_view(big)), 0));
  EXPECT_EQ(log.append(bytes_of(std::string_view(big)), 0).error().code(), Code::kTimeout);
  std::atomic<Sequence> appended{0};
  std::thread writer([&] { appended = *log.append(bytes_of(std::string_view(big)), kLong); });
  log.stored(1);
  writer.join();
  EXPECT_EQ(appended, 2U);
  EXPECT_EQ(log.held_bytes(), 80 + MemoryLog::kRecordCost);
}

TEST(MemoryLog, StopEndsEveryWait) {
  MemoryLog log({.bytes_max = 1});
  ASSERT_TRUE(log.append(bytes_of("x"), 0));
  std::thread writer([&] {
    EXPECT_EQ(log.append(bytes_of("y"), kLong).error().code(), Code::kShutdown);
    EXPECT_EQ(log.wait_stored(1, kLong).error().code(), Code::kShutdown);
  });
  log.stop();
  writer.join();
}

TEST(MemoryLog, RefusesWhatIsNoRecord) {
  MemoryLog log({});
  EXPECT_EQ(log.append({}, 0).error().code(), Code::kInvalidArgument);
  const std::string long_one(kRecordDataMax + 1, 'x');
  EXPECT_EQ(log.append(bytes_of(std::string_view(long_one)), 0).error().code(),
            Code::kInvalidArgument);
}

// Nor stand still from one life to the next: two lives behind the same head are told apart by them.
TEST(MemoryLog, TimesNeverGoBackBehindTheLogsHead) {
  testing::TestClock clock(testing::TestClock::Kind::kStands);
  MemoryLog log({.bytes_max = kMiB, .clock = &clock});
  protocol::LogPosition head;
  head.sequence = 1;
  head.timestamp = clock.wall_ns() + 1000;
  log.begin_behind(head);
  ASSERT_TRUE(log.append(bytes_of("x"), 0));
  const TimestampNs first = (*log.take(2, ~Sequence{0}, 1))->records[0].timestamp;
  EXPECT_GT(first, head.timestamp);
  EXPECT_LE(first, head.timestamp + 1'000'000'000);
  MemoryLog other({.bytes_max = kMiB, .clock = &clock});
  other.begin_behind(head);
  ASSERT_TRUE(other.append(bytes_of("x"), 0));
  EXPECT_NE((*other.take(2, ~Sequence{0}, 1))->records[0].timestamp, first);
}

}  // namespace
}  // namespace tlog::client
