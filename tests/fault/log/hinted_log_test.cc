// Goal: what a store has missed is not lost with the next stores: while its bytes are kept beside
// the journal, m others may go, also across a crash. Method: memory too small for an outage, then
// the loss of stores without which nothing could be made anew.
#include <gtest/gtest.h>

#include "tests/support/log_rig.h"
#include "tests/support/temp_directory.h"

namespace tlog::flush {
namespace {

using testing::FaultStore;
using testing::LogRig;
using testing::LogRigOptions;

class HintedLog : public ::testing::Test {
 protected:
  LogRigOptions options(unsigned write_quorum) {
    return {.hints_path = directory_.file("hints"),
            .buffered_bytes_max = kMiB,
            .write_quorum = write_quorum,
            .hinted_bytes_max = 16 * kMiB,
            .record_bytes_max = 20'000};
  }
  static void begin(LogRig& rig) {
    const Status begun = rig.begin();
    ASSERT_TRUE(begun) << begun.error().message();
  }
  // More than the memory has room for.
  static void append_much(LogRig& rig, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      rig.append(1);
      ASSERT_TRUE(rig.wait_until([&] { return rig.writer().may_append(); }));
    }
    ASSERT_TRUE(rig.wait_committed(rig.model().size()));
  }
  static void down(LogRig& rig, std::initializer_list<unsigned> stores) {
    for (unsigned i : stores) rig.fault(i).set(FaultStore::Mode::kDown);
  }
  static void up(LogRig& rig, std::initializer_list<unsigned> stores) {
    for (unsigned i : stores) rig.fault(i).set(FaultStore::Mode::kUp);
  }
  // What nobody has looked up yet is not counted as missing.
  static bool has_all(LogRig& rig, unsigned store) {
    AggregationNumber next = 1;
    return rig.wait_until([&] {
      while (next <= rig.model().size() && store::stat_and_wait(rig.inner(store), rig.key(next))) {
        ++next;
      }
      return next > rig.model().size();
    });
  }
  testing::TempDirectory directory_;
};

TEST_F(HintedLog, spilled_shards_are_used_when_the_others_are_gone) {
  LogRig rig(options(5));
  begin(rig);
  down(rig, {5});
  append_much(rig, 200);
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().buffered_bytes <= kMiB / 2; }));
  EXPECT_GT(rig.writer().status().hinted_bytes, kMiB / 2);
  // Three are left: not enough to make anything anew.
  down(rig, {0, 1});
  up(rig, {5});
  EXPECT_TRUE(has_all(rig, 5)) << rig.writer().status().missing_shards;
  EXPECT_TRUE(rig.wait_until([&] { return rig.writer().status().hinted_bytes == 0; }));
  rig.crash_writer();
  rig.expect_log_is_model();
}

// The writer ends in order while two stores are away; then one of the four goes that have the log.
TEST_F(HintedLog, hints_survive_a_restart) {
  LogRig rig(options(4));
  begin(rig);
  down(rig, {4, 5});
  append_much(rig, 20);
  rig.close_writer();
  up(rig, {4, 5});
  down(rig, {0});
  ASSERT_FALSE(rig.read()) << "the stores alone do not have it";
  Status opened = rig.open_writer();
  ASSERT_TRUE(opened) << opened.error().message();
  ASSERT_TRUE(has_all(rig, 4));
  ASSERT_TRUE(has_all(rig, 5));
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().hinted_bytes == 0; }));
  rig.append(5);
  ASSERT_TRUE(rig.wait_committed(25));
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().missing_shards == 5; }))
      << "the fifth and sixth have the new ones too";
  down(rig, {1});
  rig.expect_log_is_model();
}

TEST_F(HintedLog, hints_survive_a_crash) {
  LogRig rig(options(4));
  begin(rig);
  down(rig, {4, 5});
  append_much(rig, 200);
  // Then none is on its way to the disk: such a one would count, and be gone with the writer.
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().buffered_bytes <= kMiB / 2; }));
  const std::uint64_t hinted = rig.writer().status().hinted_bytes;
  EXPECT_GT(hinted, kMiB);
  rig.crash_writer();
  ASSERT_TRUE(rig.open_writer());
  EXPECT_GE(rig.writer().status().hinted_bytes, hinted);
  EXPECT_GE(rig.writer().status().missing_shards, 100U);
  // What was on the disk is put though only two of the four are left that had it.
  down(rig, {0, 1});
  up(rig, {4, 5});
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().hinted_bytes == 0; }));
  EXPECT_TRUE(store::stat_and_wait(rig.inner(4), rig.key(1)));
  EXPECT_TRUE(store::stat_and_wait(rig.inner(5), rig.key(1)));
  // What was in memory has to be made anew.
  up(rig, {0, 1});
  ASSERT_TRUE(has_all(rig, 4));
  ASSERT_TRUE(has_all(rig, 5));
  rig.crash_writer();
  down(rig, {2, 3});
  rig.expect_log_is_model();
}

// A hinted shard helps to make those of other stores anew, though its own store does not return.
TEST_F(HintedLog, a_wiped_store_is_filled_with_their_help) {
  LogRig rig(options(5));
  begin(rig);
  down(rig, {5});
  append_much(rig, 100);
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().buffered_bytes <= kMiB / 2; }));
  rig.wipe(0);
  down(rig, {1});
  ASSERT_TRUE(rig.writer().scrub({.repair = true}));
  // The oldest is not in memory; three stores have it.
  EXPECT_TRUE(
      rig.wait_until([&] { return store::stat_and_wait(rig.inner(0), rig.key(1)).has_value(); }));
}

TEST_F(HintedLog, memory_stays_bounded_when_the_disk_is_full_too) {
  LogRigOptions small = options(5);
  small.hinted_bytes_max = 64 * kKiB;
  LogRig rig(small);
  begin(rig);
  down(rig, {3});
  append_much(rig, 200);
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().buffered_bytes <= kMiB / 2; }));
  EXPECT_LE(rig.writer().status().hinted_bytes, 64 * kKiB);
  EXPECT_GE(rig.writer().status().hinted_bytes, 32 * kKiB);  // what has room is kept, for good
  EXPECT_TRUE(rig.logger().has("event=hinted_shards_full"));
  EXPECT_GE(rig.writer().status().missing_shards, 200U);
  up(rig, {3});
  ASSERT_TRUE(has_all(rig, 3));
  rig.crash_writer();
  down(rig, {0, 1});
  rig.expect_log_is_model();
}

}  // namespace
}  // namespace tlog::flush
