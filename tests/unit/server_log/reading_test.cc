// Goal: any range of what is stored is read as it was sent, by who writes the log and by who does
// not. Method: memory stores; ranges that begin and end inside of aggregations.
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/served_log_rig.h"

namespace tlog::server {
namespace {

using testing::Heard;
using testing::kBudgetNs;
using testing::ServedLogRig;
using testing::soon;

class ReadingTest : public ::testing::Test {
 protected:
  // EXPECTs the range, record by record.
  template <class Log>
  void expect_range(Log& log, Sequence first, Sequence last) {
    Sequence next = first;
    const Status read = log.read(first, last, [&](std::span<const format::Record> some) {
      EXPECT_FALSE(some.empty());
      for (const format::Record& record : some) {
        EXPECT_EQ(record.sequence, next++);
        EXPECT_EQ(rig_.records().difference(record), "");
      }
      return Result<bool>(true);
    });
    EXPECT_TRUE(read) << read.error().message();
    EXPECT_EQ(next, last + 1);
  }
  template <class Log>
  void expect_none(Log& log, Sequence first, Sequence last) {
    const Status read = log.read(first, last, [](auto) {
      ADD_FAILURE() << "visited";
      return Result<bool>(true);
    });
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), Code::kNotFound) << read.error().message();
  }

  ServedLogRig rig_;
  Heard heard_;
};

TEST_F(ReadingTest, ranges_are_read_beside_the_writer) {
  auto log = rig_.open(heard_);
  expect_none(*log, 1, 1);
  for (Sequence first = 1; first <= 300; first += 30) {
    ASSERT_TRUE(log->take(rig_.records().batch(first, 30)));
    ASSERT_TRUE(soon([&] { return heard_.stored >= first + 29; }));
  }
  expect_range(*log, 1, 300);
  expect_range(*log, 1, 1);
  expect_range(*log, 30, 31);
  expect_range(*log, 17, 203);
  expect_none(*log, 0, 5);
  expect_none(*log, 7, 6);
  expect_none(*log, 200, 301);
  ASSERT_TRUE(log->take(rig_.records().batch(301, 40)));
  log->force(340);
  ASSERT_TRUE(soon([&] { return heard_.stored == 340; }));
  expect_range(*log, 290, 340);
  EXPECT_TRUE(log->close(kBudgetNs));
}

TEST_F(ReadingTest, the_visitor_ends_it) {
  auto log = rig_.open(heard_);
  for (Sequence first = 1; first <= 100; first += 25) {
    ASSERT_TRUE(log->take(rig_.records().batch(first, 25)));
    ASSERT_TRUE(soon([&] { return heard_.stored >= first + 24; }));
  }
  unsigned visits = 0;
  EXPECT_TRUE(log->read(1, 100, [&](auto) { return Result<bool>(++visits < 2); }));
  EXPECT_EQ(visits, 2u);
  const Status own = log->read(
      1, 100, [](auto) -> Result<bool> { return fail(Code::kShutdown, "the visitor's own"); });
  ASSERT_FALSE(own);
  EXPECT_EQ(own.error().code(), Code::kShutdown);
  EXPECT_TRUE(log->close(kBudgetNs));
}

TEST_F(ReadingTest, several_read_while_it_is_written) {
  auto log = rig_.open(heard_);
  ASSERT_TRUE(log->take(rig_.records().batch(1, 100)));
  log->force(100);
  ASSERT_TRUE(soon([&] { return heard_.stored == 100; }));
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      for (int round = 0; round < 5; ++round) expect_range(*log, 3, log->stored());
    });
  }
  for (Sequence first = 101; first <= 600; first += 25) {
    EXPECT_TRUE(log->take(rig_.records().batch(first, 25)));
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_TRUE(log->close(kBudgetNs));
  rig_.expect_log(600);
}

TEST_F(ReadingTest, who_only_reads_changes_nothing) {
  auto absent = ReadOnlyLog::open(rig_.reader_parts());
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), Code::kNotFound);
  auto log = rig_.open(heard_);
  ASSERT_TRUE(log->take(rig_.records().batch(1, 50)));
  log->force(50);
  ASSERT_TRUE(soon([&] { return heard_.stored == 50; }));
  auto reader = ReadOnlyLog::open(rig_.reader_parts());
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_EQ((*reader)->position(), log->position());
  EXPECT_EQ((*reader)->log_id(), log->log_id());
  EXPECT_EQ((*reader)->format(), log->format());
  expect_range(**reader, 20, 40);
  ASSERT_TRUE(log->take(rig_.records().batch(51, 25)));
  ASSERT_TRUE(soon([&] { return heard_.stored == 75; }));
  expect_none(**reader, 51, 75);
  auto position = (*reader)->refresh();
  ASSERT_TRUE(position) << position.error().message();
  EXPECT_EQ(position->sequence, 75u);
  expect_range(**reader, 51, 75);
  (*reader)->stop_reading();
  const Status stopped = (*reader)->read(1, 75, [](auto) { return Result<bool>(true); });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), Code::kShutdown);
  EXPECT_EQ(log->epoch(), 1u);
  EXPECT_TRUE(log->close(kBudgetNs)) << "the reader has not ended the writer";
  auto wrong = rig_.reader_parts();
  wrong.key = std::make_shared<const seal::MasterKey>(rig_.new_key());
  auto refused = ReadOnlyLog::open(std::move(wrong));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kWrongKey);
}

}  // namespace
}  // namespace tlog::server
