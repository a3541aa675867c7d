// Goal: a vdisk moves to another host with every acknowledged flush, while the host before still
// runs, and that one stops by itself. Method: two whole engines, each with directories of its own,
// on the same six real servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "tests/support/engine_rig.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_clock.h"

namespace tlog::session {
namespace {

using ::testing::HasSubstr;
using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::FaultProxy;
using tlog::testing::Milliseconds;
using tlog::testing::RedisFleet;
using tlog::testing::ShadowDisk;
using tlog::testing::TestClock;

constexpr std::uint64_t kDay = 86'400'000'000'000;

class EngineTakeover : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!tlog::testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
    fleet_ = std::make_unique<RedisFleet>(6);
    // One key, as an operator gives it to both hosts.
    make(0);
    std::filesystem::copy_file(directories_[0].file("key"), directories_[1].file("key"));
    make(1);
  }
  virtual EngineRigOptions options(unsigned host) {
    EngineRigOptions options;
    options.directory = directories_[host].path();
    options.durability = config::Durability::kCluster;
    options.servers = fleet_->addresses();
    return options;
  }
  void make(unsigned host) { hosts_[host] = std::make_unique<EngineRig>(options(host)); }
  EngineRig& host(unsigned number) { return *hosts_[number]; }
  Status steps(EngineRig& rig, unsigned count) {
    for (unsigned i = 0; i < count; ++i) TLOG_TRY(shadow_.random_step(rig.vdisk(), ++seed_));
    return rig.vdisk().flush();
  }
  static bool has_failed(EngineRig& rig) {
    return tlog::testing::wait_until([&] { return rig.vdisk().status().state == State::kFailed; },
                                     Milliseconds(20'000));
  }

  tlog::testing::TempDirectory directories_[2];
  std::unique_ptr<RedisFleet> fleet_;
  std::unique_ptr<EngineRig> hosts_[2];
  ShadowDisk shadow_{16 * kMiB};
  std::uint64_t seed_ = 700;
};

TEST_F(EngineTakeover, fenced_writer_stops) {
  host(0).start();
  ASSERT_TRUE(steps(host(0), 100));
  auto taken = host(1).take_over();
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(taken->epoch, 2U);
  EXPECT_EQ(taken->sequence, host(0).vdisk().status().watermarks.stored);
  ASSERT_TRUE(has_failed(host(0)));
  const Status written = host(0).vdisk().write(0, shadow_.bytes(), true);
  ASSERT_FALSE(written);
  EXPECT_THAT(host(0).vdisk().status().reason, HasSubstr("taken the vdisk over"));
  EXPECT_FALSE(host(0).vdisk().flush());
  host(1).start();
  EXPECT_EQ(shadow_.difference(host(1).vdisk()), "");
  ASSERT_TRUE(steps(host(1), 50));
  host(0).stop(0);
  EXPECT_EQ(shadow_.difference(host(1).vdisk()), "");
}

class EngineTakeoverScrub : public EngineTakeover {
 protected:
  EngineRigOptions options(unsigned host) override {
    EngineRigOptions options = EngineTakeover::options(host);
    options.clock = &clock_;
    options.scrub_rate = 256 * kKiB;  // slow enough to be in the middle of it
    return options;
  }
  void TearDown() override {
    for (auto& host : hosts_) host.reset();  // before the clock
  }
  // Once the host has looked at the clock, and counts from then on.
  void a_week_passes_on(unsigned number) {
    ASSERT_TRUE(tlog::testing::wait_until(
        [&] { return host(number).vdisk().status().scrubs.deep.next != 0; }, Milliseconds(30'000)));
    clock_.set_forward(8 * kDay);
  }
  TestClock clock_{TestClock::Kind::kRuns};
};

TEST_F(EngineTakeoverScrub, a_fenced_writer_scrubs_no_more) {
  host(0).start();
  ASSERT_TRUE(steps(host(0), 400));
  a_week_passes_on(0);
  ASSERT_TRUE(tlog::testing::wait_until(
      [&] { return host(0).vdisk().status().scrubs.deep.running; }, Milliseconds(30'000)));
  ASSERT_TRUE(host(1).take_over());
  ASSERT_TRUE(has_failed(host(0)));
  auto bytes = [&] { return host(0).vdisk().status().log.deep_scrub.bytes; };
  ASSERT_TRUE(tlog::testing::wait_until(
      [&] { return !host(0).vdisk().status().scrubs.waiting.empty(); }, Milliseconds(30'000)));
  const VdiskStatus status = host(0).vdisk().status();
  EXPECT_FALSE(status.scrubs.deep.running);
  EXPECT_EQ(status.scrubs.deep.finished, 0u);
  EXPECT_EQ(status.scrubs.deep.next, 0u);
  EXPECT_EQ(status.scrubs.light.next, 0u);
  const std::uint64_t before = bytes();
  clock_.set_forward(8 * kDay);
  EXPECT_FALSE(host(0).vdisk().scrub({.deep = true}));
  EXPECT_EQ(bytes(), before);
  host(0).stop(0);
  host(1).start();
  a_week_passes_on(1);
  EXPECT_TRUE(tlog::testing::wait_until(
      [&] { return host(1).vdisk().status().scrubs.light.finished != 0; }, Milliseconds(30'000)))
      << "its successor does";
}

TEST_F(EngineTakeover, back_and_forth) {
  host(0).start();
  for (unsigned round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    EngineRig& before = host(round % 2);
    EngineRig& after = host((round + 1) % 2);
    ASSERT_TRUE(steps(before, 60));
    auto taken = after.take_over();
    ASSERT_TRUE(taken) << taken.error().message();
    EXPECT_EQ(taken->journal_aside.empty(), round == 0);
    EXPECT_EQ(taken->storage_aside.empty(), round == 0);
    after.start();
    ASSERT_EQ(shadow_.difference(after.vdisk()), "");
    ASSERT_TRUE(has_failed(before));
    before.stop(0);
    Status again = before.try_start();
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), Code::kFenced);
    EXPECT_THAT(again.error().message(), HasSubstr("tlogctl takeover vm1"));
    ASSERT_TRUE(steps(after, 5)) << "who is refused fences nobody";
  }
}

TEST_F(EngineTakeover, what_needs_no_takeover_is_refused) {
  host(0).start();
  ASSERT_TRUE(steps(host(0), 10));
  auto taken = host(0).take_over();
  ASSERT_FALSE(taken) << "its server runs";
  host(0).stop();
  taken = host(0).take_over();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Code::kAlreadyExists);
  host(0).start();
  EXPECT_EQ(shadow_.difference(host(0).vdisk()), "");
}

// The host's disk is lost: the journal is gone, the log is there.
TEST_F(EngineTakeover, a_lost_journal_is_no_reason_to_lose_a_flush) {
  host(0).start();
  ASSERT_TRUE(steps(host(0), 100));
  host(0).stop();
  std::filesystem::remove_all(directories_[0].file("journal"));
  std::filesystem::remove_all(directories_[0].file("blocks"));
  Status opened = host(0).try_start();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("tlogctl takeover vm1"));
  auto taken = host(0).take_over();
  ASSERT_TRUE(taken) << taken.error().message();
  host(0).start();
  EXPECT_EQ(shadow_.difference(host(0).vdisk()), "");
}

// Between the claim and the end of it.
TEST_F(EngineTakeover, an_interrupted_takeover_is_not_served_and_can_be_repeated) {
  host(0).start();
  ASSERT_TRUE(steps(host(0), 50));
  // Where the file is to be there is a directory: the last step fails.
  std::filesystem::create_directories(directories_[1].file("blocks/vm1.takeover/x"));
  auto taken = host(1).take_over();
  ASSERT_FALSE(taken);
  Status opened = host(1).try_start();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("repeat"));
  std::filesystem::remove_all(directories_[1].file("blocks/vm1.takeover"));
  taken = host(1).take_over();
  ASSERT_TRUE(taken) << taken.error().message();
  host(1).start();
  EXPECT_EQ(shadow_.difference(host(1).vdisk()), "");
  host(0).stop(0);
}

class EngineTakeoverOfBlocks : public EngineTakeover {
 protected:
  EngineRigOptions options(unsigned host) override {
    if (!blocks_) {
      blocks_ = std::make_unique<RedisFleet>(2);
      link_ = std::make_unique<FaultProxy>((*blocks_)[0].address());
    }
    EngineRigOptions options = EngineTakeover::options(host);
    options.durability = config::Durability::kJournal;
    options.flush_size = 1'000'000;
    options.flush_time_ns = 3'600'000'000'000;
    options.block_servers = blocks_->addresses();
    if (host == 0) options.block_servers[0] = link_->address();
    return options;
  }
  static bool applies_all(EngineRig& rig) {
    return tlog::testing::wait_until(
        [&] {
          const Watermarks marks = rig.vdisk().status().watermarks;
          return marks.applied == marks.appended;
        },
        Milliseconds(20'000));
  }
  // Its stores take nothing, as they do not from a lost host: a stop would store the rest.
  void lose(EngineRig& rig) {
    for (std::size_t i = 0; i < 6; ++i) (*fleet_)[i].command({"CONFIG", "SET", "maxmemory", "1"});
    rig.stop(0);
    for (std::size_t i = 0; i < 6; ++i) (*fleet_)[i].command({"CONFIG", "SET", "maxmemory", "0"});
  }
  // As the first block server's record says.
  Sequence applied() {
    return std::stoull(
        (*blocks_)[0].command({"HGET", (*blocks_)[0].command({"KEYS", "blocks:*"}), "applied"}));
  }
  // The first block server's connection ends in a batch; what its record may say is `stored`, up to
  // `last`. False when a batch ended there instead.
  bool has_cut_a_batch(std::vector<std::byte>& stored, Sequence& last) {
    link_->set({});
    EXPECT_TRUE(steps(host(0), 60));
    EXPECT_TRUE(applies_all(host(0)));
    // A small batch that waits for the server, so that all the rest gathers behind it.
    (*blocks_)[0].pause();
    EXPECT_TRUE(steps(host(0), 1));
    EXPECT_TRUE(host(0).vdisk().flush_to_stores(20'000'000'000));
    stored = shadow_.bytes();
    last = host(0).vdisk().status().watermarks.stored;
    EXPECT_TRUE(steps(host(0), 60));
    const std::uint64_t bytes_before = link_->counts().request_bytes;
    link_->set({.bytes_per_second = 2'000'000});
    (*blocks_)[0].resume();
    // More than a whole command of data, which has at most 256 KiB, and less than a batch can have.
    EXPECT_TRUE(tlog::testing::wait_until(
        [&] { return link_->counts().request_bytes >= bytes_before + 350'000 || applied() > last; },
        Milliseconds(20'000)));
    link_->set({.refuse = true});
    link_->close_connections();
    return applied() <= last && host(0).vdisk().status().watermarks.stored == last;
  }
  void expect_at_other_host(const std::vector<std::byte>& stored, Sequence sequence) {
    ASSERT_NE(shadow_.bytes(), stored);
    shadow_.bytes() = stored;
    auto taken = host(1).take_over();
    ASSERT_TRUE(taken) << taken.error().message();
    ASSERT_EQ(taken->sequence, sequence);
    (*blocks_)[1].pause();
    host(1).start();
    (*blocks_)[1].resume();
    ASSERT_TRUE(tlog::testing::wait_until(
        [&] { return shadow_.difference(host(1).vdisk()).empty(); }, Milliseconds(30'000)))
        << shadow_.difference(host(1).vdisk());
    ASSERT_TRUE(steps(host(1), 40));
    EXPECT_EQ(shadow_.difference(host(1).vdisk()), "");
  }
  std::unique_ptr<RedisFleet> blocks_;
  std::unique_ptr<FaultProxy> link_;  // of host 0, to the first block server
};

// Its block servers have changes that were in the lost host's journal only, one of them says so
// later.
TEST_F(EngineTakeoverOfBlocks, blocks_of_a_lost_journal_do_not_come_back) {
  host(0).start();
  ASSERT_TRUE(steps(host(0), 60));
  ASSERT_TRUE(host(0).vdisk().flush_to_stores(20'000'000'000));
  const std::vector<std::byte> stored = shadow_.bytes();
  ASSERT_TRUE(steps(host(0), 60));
  ASSERT_TRUE(applies_all(host(0)));
  const Watermarks lost = host(0).vdisk().status().watermarks;
  ASSERT_LT(lost.stored, lost.applied);
  lose(host(0));
  expect_at_other_host(stored, lost.stored);
}

// The host dies while it applies: a server has a part of a batch, and its record says nothing of
// it.
TEST_F(EngineTakeoverOfBlocks, half_a_batch_of_a_lost_journal_does_not_come_back) {
  host(0).start();
  std::vector<std::byte> stored;
  Sequence last = 0;
  // How much is applied at once is the vdisk's matter: until a batch was cut in its middle.
  for (unsigned round = 0; !has_cut_a_batch(stored, last); ++round) ASSERT_LT(round, 30U);
  lose(host(0));
  expect_at_other_host(stored, last);
}

}  // namespace
}  // namespace tlog::session
