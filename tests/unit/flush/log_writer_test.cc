// Goal: the writer commits in order at the quorum, claims epochs, keeps its memory bounded, and
// ends as it promises.
#include <gtest/gtest.h>

#include <latch>

#include "tests/support/log_rig.h"
#include "tests/support/temp_directory.h"

namespace tlog::flush {
namespace {

using testing::FaultStore;
using testing::LogRig;

TEST(LogWriter, create_refuses_what_exists) {
  LogRig rig;
  ASSERT_TRUE(rig.create());
  Status again = rig.create();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::kAlreadyExists);
}

TEST(LogWriter, create_needs_a_quorum_and_says_what_is_missing) {
  LogRig rig;
  rig.fault(1).set(FaultStore::Mode::kFull);
  ASSERT_TRUE(rig.create()) << "five of six are enough";
  LogRig poor({.open_timeout_ns = 300'000'000});
  poor.fault(1).set(FaultStore::Mode::kFull);
  poor.fault(4).set(FaultStore::Mode::kFull);
  Status created = poor.create();
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), Code::kUnavailable);
  EXPECT_NE(created.error().message().find("4 of 6 stores reachable, 5 needed"), std::string::npos)
      << created.error().message();
  EXPECT_NE(created.error().message().find("memory 4: No space left on device"), std::string::npos);
}

TEST(LogWriter, an_epoch_is_claimed_on_a_quorum_and_names_its_writer) {
  LogRig rig;
  ASSERT_TRUE(rig.begin(3));
  rig.close_writer();
  ASSERT_TRUE(rig.open_writer());
  auto found = walk::read_metadata(rig.vdisk(), rig.stores());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->metadata.epochs.size(), 2U);
  const format::EpochEntry& entry = found->metadata.epochs.back();
  EXPECT_EQ(entry.epoch, 2U);
  EXPECT_EQ(entry.first_number, 4U);
  EXPECT_EQ(entry.first_sequence, rig.model().back().reference.last_sequence + 1);
  EXPECT_NE(entry.writer.find(':'), std::string::npos);
  EXPECT_GT(entry.started, 0U);
  ASSERT_FALSE(found->metadata.last.empty());
  EXPECT_EQ(found->metadata.last.back().number, 3U);
}

TEST(LogWriter, the_hint_follows_the_head) {
  LogRig rig({.record_bytes_max = 60});
  ASSERT_TRUE(rig.begin());
  rig.append(200, false);
  ASSERT_TRUE(rig.wait_committed(200));
  ASSERT_TRUE(rig.wait_until([&] {
    auto found = walk::read_metadata(rig.vdisk(), rig.stores());
    return found && !found->metadata.last.empty() && found->metadata.last.back().number >= 128;
  })) << "an opening after a crash must not have far to probe";
  rig.close_writer();
  auto found = walk::read_metadata(rig.vdisk(), rig.stores());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->metadata.last.back().number, 200U);
  EXPECT_EQ(found->metadata.last.size(), 5U);
}

TEST(LogWriter, memory_stays_bounded) {
  LogRig rig({.buffered_bytes_max = 256 * kKiB, .record_bytes_max = 20'000});
  ASSERT_TRUE(rig.begin());
  // Below the quorum: nothing commits, nothing may be dropped, so the writer must say stop.
  for (unsigned i : {0U, 3U}) rig.fault(i).set(FaultStore::Mode::kDown);
  unsigned appended = 0;
  while (rig.writer().may_append() && appended < 1000) {
    rig.append(1);
    ++appended;
  }
  EXPECT_LT(appended, 100U);
  EXPECT_LE(rig.writer().status().buffered_bytes, 256 * kKiB + 300 * kKiB)
      << "one aggregation more at most";
  EXPECT_EQ(rig.committed(), 0U);
  // At the quorum, with one store gone: commits go on, and what it misses is not kept in memory for
  // ever.
  rig.fault(0).set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.wait_committed(appended));
  for (unsigned i = 0; i < 100; ++i) {
    ASSERT_TRUE(rig.wait_until([&] { return rig.writer().may_append(); }));
    rig.append(1);
  }
  ASSERT_TRUE(rig.wait_committed(appended + 100));
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().buffered_bytes <= 128 * kKiB; }));
  EXPECT_GE(rig.writer().status().missing_shards, 100U);
  // When it is back, all of that is re-made from the others.
  rig.fault(3).set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().missing_shards == 0; }));
  for (unsigned i : {1U, 4U}) rig.fault(i).set(FaultStore::Mode::kDown);
  rig.expect_log_is_model();
}

TEST(LogWriter, close_ends_at_its_deadline_and_tells_every_append) {
  LogRig rig;
  ASSERT_TRUE(rig.begin());
  for (unsigned i : {0U, 1U, 2U}) rig.fault(i).set(FaultStore::Mode::kHang);
  testing::Appended made;
  std::atomic<int> told = 0;
  rig.writer().append(rig.make(1, 1, 1, {}, made), made.reference, true, [&](Status status) {
    EXPECT_EQ(status.error().code(), Code::kShutdown);
    ++told;
  });
  rig.close_writer(200'000'000);
  EXPECT_EQ(told.load(), 1);
}

TEST(LogWriter, close_does_not_wait_for_a_store_that_is_gone) {
  LogRig rig;
  ASSERT_TRUE(rig.begin());
  rig.fault(2).set(FaultStore::Mode::kDown);
  rig.append(10);
  ASSERT_TRUE(rig.wait_committed(10));
  const std::uint64_t began = system_clock().monotonic_ns();
  rig.close_writer(60'000'000'000);
  EXPECT_LT(system_clock().monotonic_ns() - began, 20'000'000'000U);
  rig.expect_log_is_model();
}

}  // namespace
}  // namespace tlog::flush
