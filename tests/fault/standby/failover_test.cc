// A vdisk goes over to its standby: by itself, when asked, never to what lacks something unless
// told so, and back.
#include "tests/fault/standby/two_clusters.h"

#include "tlog/session/receipt.h"

namespace tlog::standby {

class StandbyFailover : public TwoClusters {
 protected:
  EngineRigOptions automatic() {
    EngineRigOptions options = this->options();
    options.failover_after_ns = kSecondNs / 2;
    return options;
  }
  std::vector<std::byte> disk() {
    std::vector<std::byte> bytes(kDiskSize);
    EXPECT_TRUE(vdisk().read(0, bytes));
    return bytes;
  }
  static void expect_nothing_lost(const session::Receipt& receipt) {
    EXPECT_TRUE(receipt.lost.empty()) << receipt.text();
    EXPECT_EQ(receipt.log, receipt.standby) << session::receipt_json(receipt);
    EXPECT_NE(receipt.standby.number, 0U);
    EXPECT_GE(receipt.standby.sequence, receipt.appended);
    EXPECT_THAT(receipt.text(), HasSubstr("0 acknowledged writes lost"));
  }
};

// The primary dies under a writer and a reader: neither sees an error.
TEST_F(StandbyFailover, failover_loses_nothing) {
  start(automatic());
  write_some(100);
  ASSERT_TRUE(in_sync());
  kill_all(*primary_);
  write_some(50);
  EXPECT_TRUE(reads_right());
  ASSERT_TRUE(becomes(StandbyState::kFailedOver));
  write_some(50);
  EXPECT_TRUE(reads_right());
  const auto status = standby_status();
  EXPECT_EQ(status.active, "standby");
  ASSERT_TRUE(status.last_receipt);
  expect_nothing_lost(*status.last_receipt);
  EXPECT_FALSE(status.last_receipt->planned);
  EXPECT_TRUE(settles());
  EXPECT_TRUE(has_all(*standby_));
}

TEST_F(StandbyFailover, one_stopped_server_is_enough) {
  start(automatic());
  write_some(100);
  ASSERT_TRUE(in_sync());
  (*primary_)[1].pause();
  write_some(50);
  EXPECT_TRUE(reads_right());
  ASSERT_TRUE(becomes(StandbyState::kFailedOver));
  EXPECT_TRUE(reads_right());
  expect_nothing_lost(*standby_status().last_receipt);
}

TEST_F(StandbyFailover, a_hiccup_is_none) {
  EngineRigOptions patient = options();
  patient.failover_after_ns = 3600 * kSecondNs;
  start(patient);
  write_some(50);
  ASSERT_TRUE(in_sync());
  kill_all(*primary_);
  ASSERT_TRUE(wait_for([&] { return standby_status().failing_ns != 0; }));
  start_all(*primary_);
  write_some(50);
  EXPECT_TRUE(reads_right());
  ASSERT_TRUE(wait_for([&] { return standby_status().failing_ns == 0; }));
  EXPECT_EQ(standby_status().active, "blocks");
}

// The ancestor went over to an empty standby and served zeros.
TEST_F(StandbyFailover, failover_with_sync_off_is_refused) {
  EngineRigOptions off = automatic();
  off.slave_sync = false;
  off.stall_timeout_ns = 3 * kSecondNs;
  start(off);
  write_some(50);
  ASSERT_TRUE(settles());
  auto receipt = vdisk().fail_over({});
  ASSERT_FALSE(receipt);
  EXPECT_THAT(receipt.error().message(), HasSubstr("slave sync is off"));
  kill_all(*primary_);
  std::vector<std::byte> bytes(kDiskSize);
  EXPECT_FALSE(vdisk().read(0, bytes));  // an error, not zeros
  EXPECT_EQ(standby_status().active, "blocks");
  start_all(*primary_);
  EXPECT_TRUE(wait_for([&] { return shadow_.difference(vdisk()).empty(); }));
}

TEST_F(StandbyFailover, never_complete_is_refused) {
  kill_all(*standby_);
  start(automatic());
  write_some(50);
  auto receipt = vdisk().fail_over({.timeout_ns = kSecondNs});
  ASSERT_FALSE(receipt);
  EXPECT_THAT(receipt.error().message(), HasSubstr("never had everything"));
  EXPECT_EQ(standby_status().active, "blocks");
  EXPECT_TRUE(reads_right());
}

// Dead before everything was there: given up, and the vdisk goes on where it is.
TEST_F(StandbyFailover, a_dead_standby_is_given_up) {
  start(options());
  write_some(50);
  ASSERT_TRUE(in_sync());
  kill_all(*standby_);
  write_some(20);
  auto receipt = vdisk().fail_over({.timeout_ns = kSecondNs});
  ASSERT_FALSE(receipt);
  write_some(20);
  EXPECT_TRUE(reads_right());
  EXPECT_TRUE(settles());  // applied again
  start_all(*standby_);
  ASSERT_TRUE(in_sync());
  ASSERT_TRUE(vdisk().fail_over({}));
  EXPECT_TRUE(reads_right());
}

TEST_F(StandbyFailover, back_and_forth_twenty_times) {
  start(options());
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    write_some(20);
    auto receipt = vdisk().fail_over({.keep_following = true});
    if (!receipt) {  // not complete yet since the last time
      ASSERT_TRUE(in_sync());
      receipt = vdisk().fail_over({.keep_following = true});
    }
    ASSERT_TRUE(receipt) << receipt.error().message();
    expect_nothing_lost(*receipt);
    EXPECT_TRUE(receipt->planned);
    write_some(10);
    ASSERT_TRUE(in_sync());
    ASSERT_TRUE(settles());
    EXPECT_TRUE(has_all(*primary_));
    EXPECT_TRUE(has_all(*standby_));
  }
  EXPECT_EQ(standby_status().active, "blocks");
}

// The old primary comes back, is brought up to date with what it lacks only, and is gone back to.
TEST_F(StandbyFailover, the_way_back) {
  start(automatic());
  write_some(100);
  ASSERT_TRUE(in_sync());
  ASSERT_TRUE(settles());
  kill_all(*primary_);
  ASSERT_TRUE(becomes(StandbyState::kFailedOver));
  write_some(50);
  auto waited = vdisk().wait_slave_sync(kSecondNs);
  ASSERT_FALSE(waited);
  EXPECT_THAT(waited.error().message(), HasSubstr("tlogctl resync"));
  start_all(*primary_);
  ASSERT_TRUE(vdisk().resync({}));
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*primary_));
  auto receipt = vdisk().fail_over({.keep_following = true});
  ASSERT_TRUE(receipt) << receipt.error().message();
  expect_nothing_lost(*receipt);
  EXPECT_EQ(standby_status().active, "blocks");
  write_some(20);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(reads_right());
  EXPECT_TRUE(has_all(*standby_));
}

// Which cluster is active is in the log's metadata.
TEST_F(StandbyFailover, a_restart_stays_where_it_went) {
  start(options());
  write_some(50);
  ASSERT_TRUE(in_sync());
  ASSERT_TRUE(vdisk().fail_over({}));
  write_some(50);
  ASSERT_TRUE(settles());
  kill_all(*primary_);
  rig_->stop();
  start(options());
  EXPECT_EQ(standby_status().active, "standby");
  EXPECT_TRUE(reads_right());
  write_some(20);
  start_all(*primary_);
  ASSERT_TRUE(in_sync());
  EXPECT_TRUE(has_all(*primary_));
}

// Its servers answer, and have been set back since they were complete.
TEST_F(StandbyFailover, a_standby_that_was_set_back_is_not_gone_over_to_as_it_is) {
  start(options());
  write_some(50);
  ASSERT_TRUE(in_sync());
  const std::string key = "blocks:vm1:" + vdisk().status().uuid.text();
  rig_->stop();
  start(options());  // no step is needed: it is found where it should be
  ASSERT_TRUE(in_sync());
  ASSERT_TRUE(vdisk().fail_over({}));
  // As after a restart from an old snapshot, before anything was asked of it.
  const std::string block = (*standby_)[1].command({"HGET", key, "1"});
  ASSERT_EQ((*standby_)[1].command({"DEL", key}), "1");
  EXPECT_TRUE(wait_for([&] { return shadow_.difference(vdisk()).empty(); }))
      << reads_right().message() << " " << vdisk().status().block_servers[1].server.condition;
  EXPECT_EQ((*standby_)[1].command({"HGET", key, "1"}), block);
}

// A primary that answers, and takes no writes.
TEST_F(StandbyFailover, a_full_primary_is_left) {
  start(automatic());
  write_some(50);
  ASSERT_TRUE(in_sync());
  for (std::size_t i = 0; i < primary_->size(); ++i)
    ASSERT_EQ((*primary_)[i].command({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  write_some(50);
  ASSERT_TRUE(becomes(StandbyState::kFailedOver));
  EXPECT_TRUE(reads_right());
  expect_nothing_lost(*standby_status().last_receipt);
}

TEST_F(StandbyFailover, an_emptied_idle_primary_is_left) {
  EngineRigOptions quick = automatic();
  quick.failover_after_ns = 1;
  start(quick);
  write_some(50);
  ASSERT_TRUE(in_sync());
  ASSERT_TRUE(settles());
  ASSERT_EQ((*primary_)[1].command({"FLUSHALL"}), "OK");
  ASSERT_TRUE(becomes(StandbyState::kFailedOver));
  EXPECT_TRUE(reads_right());
}

// Told to go over without what the standby lacks and nobody can bring it: it says exactly what.
TEST_F(StandbyFailover, failover_says_what_it_lost) {
  start(options());
  write_some(20);
  ASSERT_TRUE(in_sync());
  ASSERT_TRUE(settles());
  const Sequence synced = standby_status().synced.sequence;
  kill_all(*standby_);
  // Two writes that are stored, applied and let go by the journal, without the standby.
  const std::vector<std::byte> bytes(kBlockSize, std::byte{0x5a});
  ASSERT_TRUE(vdisk().write(10 * kBlockSize, bytes, false));
  ASSERT_TRUE(vdisk().write(20 * kBlockSize, bytes, false));
  ASSERT_TRUE(vdisk().flush());
  ASSERT_TRUE(settles());
  ASSERT_TRUE(becomes(StandbyState::kWaiting));  // it has given up to bring them
  // Their only other copies go: the log's stores and the primary.
  kill_all(*log_);
  kill_all(*primary_);
  // One that only the journal has.
  ASSERT_TRUE(vdisk().write(30 * kBlockSize, bytes, true));
  start_all(*standby_);
  ASSERT_TRUE(wait_for([&] {
    return standby_status().synced.sequence == synced && (*standby_)[0].command({"PING"}) == "PONG";
  }));
  auto refused = vdisk().fail_over({.timeout_ns = kSecondNs});
  ASSERT_FALSE(refused);
  auto receipt = vdisk().fail_over({.timeout_ns = kSecondNs, .accept_loss = true});
  ASSERT_TRUE(receipt) << receipt.error().message();
  ASSERT_EQ(receipt->lost.size(), 1U) << session::receipt_json(*receipt);
  const session::LostRange& lost = receipt->lost[0];
  EXPECT_EQ(lost.first_sequence, synced + 1);
  EXPECT_EQ(lost.last_sequence, synced + 2);
  EXPECT_TRUE(lost.bytes_known);
  EXPECT_GT(lost.first_timestamp, 0U);
  EXPECT_THAT(lost.bytes, ::testing::ElementsAre(std::pair(10 * kBlockSize, kBlockSize),
                                                 std::pair(20 * kBlockSize, kBlockSize)));
  EXPECT_THAT(receipt->text(), HasSubstr("2 acknowledged records lost"));
  // What the journal had is there.
  std::vector<std::byte> read(kBlockSize);
  ASSERT_TRUE(vdisk().read(30 * kBlockSize, read));
  EXPECT_EQ(read, bytes);
  // The log still has what is lost, but whoever is brought up from it shows what clients have seen.
  const std::vector<std::byte> seen = disk();
  start_all(*log_);
  start_all(*primary_);
  ASSERT_TRUE(vdisk().resync({}));
  ASSERT_TRUE(in_sync());
  ASSERT_TRUE(vdisk().fail_over({.keep_following = true}));
  EXPECT_EQ(disk(), seen);
  ASSERT_TRUE(in_sync());
  EXPECT_EQ(blocks_on(*primary_), blocks_on(*standby_));
  auto file = io::read_file(io::system_files(), receipt->path, kMiB);
  ASSERT_TRUE(file) << file.error().message();
  auto parsed = session::parse_receipt(*file);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->lost.size(), 1U);
}

}  // namespace tlog::standby
