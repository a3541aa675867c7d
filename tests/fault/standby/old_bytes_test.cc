// Goal: what is superseded never comes back, on either cluster, whatever arrives late. Method: what
// was sent to a cluster is kept on its way until newer bytes are there; blocks are zeroed before,
// while and after the vdisk goes over.
#include "tests/fault/standby/proxied_clusters.h"

namespace tlog::standby {
namespace {

class StandbyOldBytes : public ProxiedClusters {
 protected:
  static constexpr std::uint64_t kZeroed = 16;  // blocks

  void fill(std::uint8_t with) {
    const std::vector<std::byte> bytes(2 * kZeroed * kBlockSize, std::byte{with});
    ASSERT_TRUE(vdisk().write(0, bytes, false));
    std::copy(bytes.begin(), bytes.end(), shadow_.bytes().begin());
    ASSERT_TRUE(vdisk().flush());
  }
  // Half of them by a discard, half by zeros.
  void zero() {
    const std::uint64_t half = kZeroed / 2 * kBlockSize;
    ASSERT_TRUE(vdisk().discard(0, half, false));
    ASSERT_TRUE(vdisk().zero(half, half, false, false));
    std::fill_n(shadow_.bytes().begin(), 2 * half, std::byte{0});
    ASSERT_TRUE(vdisk().flush());
  }
  void go_over() {
    ASSERT_TRUE(in_sync());
    auto receipt = vdisk().fail_over({.keep_following = true});
    ASSERT_TRUE(receipt) << receipt.error().message();
  }
  void both_are_right() {
    EXPECT_TRUE(reads_right());
    ASSERT_TRUE(settles());
    ASSERT_TRUE(in_sync());
    EXPECT_TRUE(has_all(*primary_));
    EXPECT_TRUE(has_all(*standby_));
  }
};

// A batch of an engine that is gone arrives when the next one's is there.
TEST_F(StandbyOldBytes, late_older_apply) {
  start(proxied_options());
  write_some(50);
  ASSERT_TRUE(in_sync());
  ASSERT_TRUE(settles());
  to_standby_->set({.black_hole = true});
  fill(1);
  ASSERT_TRUE(becomes(StandbyState::kWaiting));  // it was sent, and not answered
  rig_->stop();
  start(options());
  fill(2);
  zero();
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*standby_));
  to_standby_->heal();
  ASSERT_TRUE(wait_for([&] { return to_standby_->all_closed(); }));
  EXPECT_TRUE(has_all(*standby_));
  write_some(20);
  both_are_right();
}

// What was on its way to the primary when it was cut off arrives after the failover, and after the
// primary was brought up to date again.
TEST_F(StandbyOldBytes, late_older_apply_of_the_primary_that_was_left) {
  EngineRigOptions automatic = proxied_options();
  automatic.failover_after_ns = kSecondNs / 2;
  start(automatic);
  write_some(50);
  ASSERT_TRUE(in_sync());
  to_primary_->set({.black_hole = true});
  fill(1);
  ASSERT_TRUE(becomes(StandbyState::kFailedOver));
  fill(2);
  zero();
  ASSERT_TRUE(settles());
  rig_->stop();
  start(options());
  EXPECT_EQ(standby_status().active, "standby");
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*primary_));
  to_primary_->heal();
  ASSERT_TRUE(wait_for([&] { return to_primary_->all_closed(); }));
  EXPECT_TRUE(has_all(*primary_));
  ASSERT_NO_FATAL_FAILURE(go_over());
  EXPECT_EQ(standby_status().active, "blocks");
  write_some(20);
  both_are_right();
}

// The same while one engine goes on: its own late bytes.
TEST_F(StandbyOldBytes, the_primary_returns_with_what_was_on_its_way) {
  EngineRigOptions automatic = proxied_options();
  automatic.failover_after_ns = kSecondNs / 2;
  start(automatic);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    write_some(30);
    ASSERT_TRUE(in_sync());
    to_primary_->set({.black_hole = true});
    fill(1);
    ASSERT_TRUE(becomes(StandbyState::kFailedOver));
    fill(2);
    zero();
    to_primary_->heal();
    ASSERT_TRUE(vdisk().resync({}));
    write_some(10);
    ASSERT_NO_FATAL_FAILURE(go_over());
    EXPECT_EQ(standby_status().active, "blocks");
    both_are_right();
  }
}

TEST_F(StandbyOldBytes, zeroed_block_stays_zero_across_a_failover) {
  start(options());
  fill(1);
  ASSERT_TRUE(settles());
  ASSERT_TRUE(in_sync());
  // Zeroed just before: stored, applied and synced by the failover itself.
  ASSERT_NO_FATAL_FAILURE(zero());
  ASSERT_NO_FATAL_FAILURE(go_over());
  ASSERT_EQ(standby_status().active, "standby");
  both_are_right();
  // Zeroed over there, and back.
  fill(2);
  ASSERT_TRUE(in_sync());
  ASSERT_NO_FATAL_FAILURE(zero());
  ASSERT_NO_FATAL_FAILURE(go_over());
  ASSERT_EQ(standby_status().active, "blocks");
  both_are_right();
  rig_->stop();
  start(options());
  EXPECT_TRUE(reads_right());
  write_some(5);
  both_are_right();
}

// The primary was dead when they were zeroed, and has the old bytes when it comes back.
TEST_F(StandbyOldBytes, zeroed_block_stays_zero_when_the_old_primary_returns) {
  EngineRigOptions automatic = options();
  automatic.failover_after_ns = kSecondNs / 2;
  start(automatic);
  fill(1);
  ASSERT_TRUE(settles());
  ASSERT_TRUE(in_sync());
  kill_all(*primary_);
  ASSERT_NO_FATAL_FAILURE(zero());
  ASSERT_TRUE(becomes(StandbyState::kFailedOver));
  EXPECT_TRUE(reads_right());
  ASSERT_TRUE(settles());
  EXPECT_TRUE(has_all(*standby_));
  start_all(*primary_);
  ASSERT_TRUE(vdisk().resync({}));
  ASSERT_NO_FATAL_FAILURE(go_over());
  ASSERT_EQ(standby_status().active, "blocks");
  both_are_right();
  // Nor what a server that is filled from the log's beginning passes on its way.
  ASSERT_EQ((*standby_)[0].command({"FLUSHALL"}), "OK");
  ASSERT_EQ((*primary_)[1].command({"FLUSHALL"}), "OK");
  write_some(20);  // on all servers
  both_are_right();
}

}  // namespace
}  // namespace tlog::standby
