// Goal: a vdisk whose log is on six real servers keeps every acknowledged flush, and is never
// served from servers that are not its own. Method: the whole engine, and what happens to servers:
// killed, started, wiped, exchanged in the configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/fault/engine_on_servers.h"

namespace tlog::session {
namespace {

using ::testing::HasSubstr;
using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::Milliseconds;

constexpr std::uint64_t kSecond = 1'000'000'000;

// Lines 1 and 2.
TEST_F(EngineOnServers, writes_go_on_without_one_and_stop_without_two_until_it_returns) {
  EngineRigOptions long_stall = options();
  long_stall.stall_timeout_ns = 60 * kSecond;
  EngineRig rig(long_stall);
  rig.start();
  ASSERT_TRUE(steps(rig, 50));
  (*fleet_)[0].kill();
  ASSERT_TRUE(steps(rig, 50)) << "five are enough";
  (*fleet_)[3].kill();
  ASSERT_TRUE(shadow_.random_step(rig.vdisk(), ++seed_));
  auto flush = std::async(std::launch::async, [&] { return rig.vdisk().flush(); });
  ASSERT_TRUE(tlog::testing::wait_until(
      [&] { return !rig.vdisk().status().log.waiting_for.empty(); }, Milliseconds(20'000)));
  EXPECT_NE(flush.wait_for(std::chrono::seconds(0)), std::future_status::ready)
      << "four are not: the flush waits";
  EXPECT_THAT(rig.vdisk().status().reason, HasSubstr("4 of 6 stores reachable, 5 needed"));
  (*fleet_)[3].start();
  Status flushed = flush.get();
  EXPECT_TRUE(flushed) << flushed.error().message();
  (*fleet_)[0].start();
  ASSERT_TRUE(steps(rig, 20));
  EXPECT_TRUE(is_whole(rig));
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
  rig.stop();
  EngineRig again(options());
  again.start();
  EXPECT_EQ(shadow_.difference(again.vdisk()), "");
}

// Line 7: nothing is read from the wrong place and nothing is written there.
TEST_F(EngineOnServers, swapped_servers_are_named_and_the_vdisk_is_not_opened) {
  {
    EngineRig rig(options());
    rig.start();
    ASSERT_TRUE(steps(rig, 50));
    rig.stop();
  }
  EngineRigOptions swapped = options();
  std::swap(swapped.servers[1], swapped.servers[4]);
  {
    EngineRig rig(swapped);
    Status opened = rig.try_start();
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message(), HasSubstr("swapped"));
  }
  EngineRig rig(options());
  rig.start();
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
  ASSERT_TRUE(steps(rig, 10));
  EXPECT_TRUE(is_whole(rig));
}

// An empty server in the place of one that is lost.
TEST_F(EngineOnServers, a_replaced_server_is_filled) {
  {
    EngineRig rig(options());
    rig.start();
    ASSERT_TRUE(steps(rig, 100));
    rig.stop();
  }
  tlog::testing::RedisServer fresh;
  EngineRigOptions replaced = options();
  replaced.servers[2] = fresh.address();
  (*fleet_)[2].kill();
  tlog::testing::KeepingLogger logger;
  EngineRig rig(replaced, io::system_files(), logger);
  rig.start();
  EXPECT_TRUE(is_whole(rig));
  EXPECT_TRUE(logger.has("event=store_rebuilt"));
  rig.stop();
  // It carries: the log is read without two others.
  (*fleet_)[0].kill();
  rig.start();
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
}

// All of them lost: that is an outage, not a new disk.
TEST_F(EngineOnServers, wiped_servers_are_not_a_blank_disk) {
  {
    EngineRig rig(options());
    rig.start();
    ASSERT_TRUE(steps(rig, 50));
    rig.stop();
  }
  for (std::size_t i = 0; i < 6; ++i) (*fleet_)[i].command({"FLUSHALL"});
  EngineRig rig(options());
  Status opened = rig.try_start();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("have no metadata of it"));
}

}  // namespace
}  // namespace tlog::session
