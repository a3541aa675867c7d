// The standby follows the log, whatever happens to it, and holds nobody back.
#include "tests/fault/standby/two_clusters.h"

namespace tlog::standby {

class StandbyFollow : public TwoClusters {
 protected:
  // Which would fail after stallTimeout if the journal were not given back meanwhile.
  void write_more_than_the_journal_holds() {
    const std::uint64_t wanted =
        vdisk().status().write_bytes + 2 * vdisk().status().journal_bytes_total;
    while (vdisk().status().write_bytes < wanted) {
      write_some(100);
      ASSERT_FALSE(HasFatalFailure());
    }
    ASSERT_TRUE(settles());
  }
};

TEST_F(StandbyFollow, the_standby_gets_everything) {
  start(options());
  write_some(200);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
  const auto status = standby_status();
  EXPECT_EQ(status.state, StandbyState::kInSync);
  EXPECT_EQ(status.active, "blocks");
  EXPECT_EQ(status.standby, "standby");
  EXPECT_GE(status.synced.sequence, vdisk().status().watermarks.appended);
  EXPECT_NE(status.synced.number, 0U);
}

// What was acknowledged before the call counts, stored by then or not.
TEST_F(StandbyFollow, wait_covers_unflushed_records) {
  EngineRigOptions slow = options();
  slow.flush_time_ns = 3600 * kSecondNs;
  slow.flush_size = 1'000'000;
  start(slow);
  for (int step = 0; step < 50; ++step) ASSERT_TRUE(shadow_.random_step(vdisk(), ++seed_));
  const Sequence acknowledged = vdisk().status().watermarks.appended;
  ASSERT_LT(vdisk().status().watermarks.stored, acknowledged);
  auto synced = vdisk().wait_slave_sync(30 * kSecondNs);
  ASSERT_TRUE(synced) << synced.error().message();
  EXPECT_GE(*synced, acknowledged);
  EXPECT_TRUE(has_all(*standby_));
}

// The answer means that the servers have confirmed, not that they were told.
TEST_F(StandbyFollow, what_was_waited_for_survives_everybody) {
  start(options());
  write_some(100);
  ASSERT_TRUE(in_sync());
  kill_all(*standby_);
  rig_->stop(0);
  start_all(*standby_);
  EXPECT_TRUE(has_all(*standby_));
}

TEST_F(StandbyFollow, wait_tells_the_truth_about_a_dead_standby) {
  start(options());
  write_some(20);
  ASSERT_TRUE(in_sync());
  kill_all(*standby_);
  write_some(20);
  auto synced = vdisk().wait_slave_sync(kSecondNs);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), Code::kTimeout);
  EXPECT_THAT(synced.error().message(), HasSubstr("standby"));
  start_all(*standby_);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
}

// Nothing to bring is no reason to say that it is there.
TEST_F(StandbyFollow, wait_of_an_empty_vdisk_asks_the_standby) {
  kill_all(*standby_);
  start(options());
  auto synced = vdisk().wait_slave_sync(kSecondNs);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), Code::kTimeout);
  start_all(*standby_);
  ASSERT_TRUE(in_sync());
  auto receipt = vdisk().fail_over({});
  EXPECT_TRUE(receipt) << receipt.error().message();
}

// What it had before it was told to begin anew does not count.
TEST_F(StandbyFollow, wait_during_a_forced_resync_is_for_its_end) {
  start(options());
  write_some(20);
  ASSERT_TRUE(in_sync());
  kill_all(*standby_);
  ASSERT_TRUE(vdisk().resync({.force = true}));
  auto synced = vdisk().wait_slave_sync(kSecondNs);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), Code::kTimeout);
  start_all(*standby_);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
}

// It is written on, and the journal given back, as if there were no standby.
TEST_F(StandbyFollow, dead_standby_does_not_pin_the_journal) {
  start(options());
  write_some(20);
  ASSERT_TRUE(in_sync());
  kill_all(*standby_);
  write_more_than_the_journal_holds();
  EXPECT_TRUE(becomes(StandbyState::kWaiting));
  start_all(*standby_);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
}

TEST_F(StandbyFollow, slow_standby_does_not_stall_writes) {
  start(options());
  write_some(20);
  ASSERT_TRUE(in_sync());
  pause_all(*standby_);
  const Sequence synced = standby_status().synced.sequence;
  write_more_than_the_journal_holds();
  EXPECT_EQ(standby_status().synced.sequence, synced);
  resume_all(*standby_);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
}

TEST_F(StandbyFollow, a_full_standby_says_so_and_goes_on_when_there_is_room) {
  start(options());
  write_some(50);
  ASSERT_TRUE(in_sync());
  (*standby_)[1].command({"CONFIG", "SET", "maxmemory", "1"});
  write_more_than_the_journal_holds();
  ASSERT_TRUE(becomes(StandbyState::kWaiting));
  EXPECT_THAT(standby_status().reason, HasSubstr((*standby_)[1].address()));
  (*standby_)[1].command({"CONFIG", "SET", "maxmemory", "0"});
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
}

TEST_F(StandbyFollow, a_wiped_standby_is_filled_again) {
  start(options());
  write_some(100);
  ASSERT_TRUE(in_sync());
  ASSERT_EQ((*standby_)[1].command({"FLUSHALL"}), "OK");
  ASSERT_TRUE(in_sync());  // nothing was written since
  EXPECT_TRUE(has_all(*standby_));
  ASSERT_EQ((*standby_)[2].command({"FLUSHALL"}), "OK");
  write_some(50);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
}

// As after a takeover by a host that has not the journal: a client waits, and sees no error.
TEST_F(StandbyFollow, reads_wait_for_what_the_log_gives_back) {
  start(options());
  write_some(100);
  ASSERT_TRUE(in_sync());
  rig_->stop();
  ASSERT_EQ((*primary_)[1].command({"FLUSHALL"}), "OK");
  start(options());
  EXPECT_TRUE(reads_right());
  EXPECT_EQ(standby_status().active, "blocks");
}

// A restart goes on where the standby is, and a late batch of before brings nothing old back.
TEST_F(StandbyFollow, goes_on_after_a_restart) {
  start(options());
  write_some(100);
  ASSERT_TRUE(in_sync());
  for (int round = 0; round < 5; ++round) {
    write_some(30);
    rig_->stop(round % 2 == 0 ? 0 : 20 * kSecondNs);
    start(options());
  }
  write_some(10);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
}

// {epoch, sequence, chain hash}: a standby of another history of the same vdisk is not written to.
TEST_F(StandbyFollow, diverged_standby_is_refused) {
  start(options());
  write_some(50);
  ASSERT_TRUE(in_sync());
  const std::string key = "blocks:vm1:" + vdisk().status().uuid.text();
  rig_->stop();
  const std::string chain = (*standby_)[1].command({"HGET", key, "chain"});
  std::string other = chain;
  other.back() = other.back() == '0' ? '1' : '0';
  (*standby_)[1].command({"HSET", key, "chain", other});
  start(options());
  ASSERT_TRUE(becomes(StandbyState::kDiverged)) << standby_status().reason;
  EXPECT_THAT(standby_status().reason, HasSubstr("diverged"));
  EXPECT_THAT(standby_status().reason, HasSubstr("--force"));
  write_some(20);
  auto synced = vdisk().wait_slave_sync(kSecondNs);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), Code::kUnavailable);
  auto receipt = vdisk().fail_over({});
  ASSERT_FALSE(receipt);
  EXPECT_THAT(receipt.error().message(), HasSubstr("diverged"));
  auto kept = vdisk().resync({});
  ASSERT_FALSE(kept);
  EXPECT_THAT(kept.error().message(), HasSubstr("--force"));
  EXPECT_EQ((*standby_)[1].command({"HGET", key, "chain"}), other);
  ASSERT_TRUE(vdisk().resync({.force = true}));
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
}

}  // namespace tlog::standby
