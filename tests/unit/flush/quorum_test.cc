// Goal: an aggregation counts when, and only when, as many stores have it as the vdisk's write
// quorum says; and a reader never proves "was not committed" with another quorum than the one the
// log was written with. Method: a log on memory stores of which some are away.
#include <gtest/gtest.h>

#include "tests/support/log_rig.h"

namespace tlog::flush {
namespace {

using testing::FaultStore;
using testing::LogRig;

void take_away(LogRig& rig, unsigned first, unsigned end) {
  for (unsigned i = first; i < end; ++i) rig.fault(i).set(FaultStore::Mode::kDown);
}
void bring_back(LogRig& rig) {
  for (unsigned i = 0; i < 6; ++i) rig.fault(i).set(FaultStore::Mode::kUp);
}

TEST(WriteQuorum, is_needed_and_is_enough) {
  for (unsigned quorum = 4; quorum <= 6; ++quorum) {
    LogRig rig({.write_quorum = quorum});
    ASSERT_TRUE(rig.create());
    ASSERT_TRUE(rig.open_writer());
    take_away(rig, quorum, 6);
    rig.append(3);
    ASSERT_TRUE(rig.wait_committed(3)) << quorum;
    take_away(rig, quorum - 1, 6);
    rig.append(1);
    ASSERT_TRUE(rig.wait_until([&] { return !rig.writer().status().waiting_for.empty(); }));
    EXPECT_NE(rig.writer().status().waiting_for.find(std::to_string(quorum) + " needed"),
              std::string::npos)
        << rig.writer().status().waiting_for;
    EXPECT_EQ(rig.committed(), 3U);
    bring_back(rig);
    ASSERT_TRUE(rig.wait_committed(4));
    rig.close_writer();
    rig.expect_log_is_model();
  }
}

// Committed on four; one of them is away: three shards are seen, and one store is not heard.
TEST(WriteQuorum, what_four_stores_confirmed_is_never_taken_for_absent) {
  LogRig rig({.write_quorum = 4});
  ASSERT_TRUE(rig.create());
  ASSERT_TRUE(rig.open_writer());
  take_away(rig, 4, 6);
  rig.append(1);
  ASSERT_TRUE(rig.wait_committed(1));
  rig.crash_writer();
  bring_back(rig);
  rig.fault(0).set(FaultStore::Mode::kDown);
  auto reader = rig.read();
  ASSERT_FALSE(reader) << "the log was taken to end at " << (*reader)->head().number;
  EXPECT_EQ(reader.error().code(), Code::kUnavailable);
  bring_back(rig);
  rig.expect_log_is_model();
}

// With a quorum of six three shards and two stores that are not heard were not committed.
TEST(WriteQuorum, a_higher_one_proves_more) {
  for (unsigned quorum : {5U, 6U}) {
    LogRig rig({.write_quorum = quorum});
    ASSERT_TRUE(rig.create());
    ASSERT_TRUE(rig.open_writer());
    rig.append(2);
    ASSERT_TRUE(rig.wait_committed(2));
    ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().missing_shards == 0; }));
    take_away(rig, 3, 6);
    rig.append(1);
    ASSERT_TRUE(rig.wait_until([&] { return !rig.writer().status().waiting_for.empty(); }));
    rig.crash_writer();
    // Number 3 is on the stores 0, 1 and 2; store 3 says that it has nothing of it.
    rig.fault(3).set(FaultStore::Mode::kUp);
    auto reader = rig.read();
    if (quorum == 6) {
      ASSERT_TRUE(reader) << reader.error().message();
      EXPECT_EQ((*reader)->head().number, 2U);
    } else {
      ASSERT_FALSE(reader);
      EXPECT_EQ(reader.error().code(), Code::kUnavailable);
    }
  }
}

TEST(WriteQuorum, each_epoch_has_its_own) {
  LogRig rig({.write_quorum = 6});
  ASSERT_TRUE(rig.create());
  for (unsigned quorum : {6U, 4U, 0U}) {
    rig.set_write_quorum(quorum);
    ASSERT_TRUE(rig.open_writer());
    EXPECT_EQ(rig.logger().has("event=write_quorum_low"), quorum != 6);
    rig.append(2);
    ASSERT_TRUE(rig.wait_committed(rig.model().size()));
    rig.close_writer();
  }
  auto reader = rig.read();
  ASSERT_TRUE(reader);
  const auto& epochs = (*reader)->metadata().epochs;
  ASSERT_EQ(epochs.size(), 3U);
  EXPECT_EQ(epochs[0].write_quorum, 6U);
  EXPECT_EQ(epochs[1].write_quorum, 4U);
  EXPECT_EQ(epochs[2].write_quorum, 5U) << "the usual one, as it was used";
  rig.expect_log_is_model();
}

// What goes on while two are away must also be able to begin again.
TEST(WriteQuorum, of_k_opens_without_m_stores) {
  LogRig rig({.write_quorum = 4});
  ASSERT_TRUE(rig.create());
  ASSERT_TRUE(rig.open_writer());
  rig.append(2);
  ASSERT_TRUE(rig.wait_committed(2));
  take_away(rig, 0, 2);
  rig.append(2);
  ASSERT_TRUE(rig.wait_committed(4));
  rig.crash_writer();
  Status opened = rig.open_writer();
  ASSERT_TRUE(opened) << opened.error().message();
  rig.append(2);
  ASSERT_TRUE(rig.wait_committed(6));
  // The newest metadata is on four stores: two of them and one that is behind must not be enough
  // to answer for it, three of any must.
  rig.crash_writer();
  bring_back(rig);
  rig.expect_log_is_model();
}

TEST(WriteQuorum, an_impossible_one_is_refused) {
  for (unsigned quorum : {3U, 7U}) {
    LogRig rig({.write_quorum = quorum});
    ASSERT_TRUE(rig.create());
    Status opened = rig.open_writer();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace tlog::flush
