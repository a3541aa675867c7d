// File: tests/unit/session/cluster_blocks_fixture.h
// A whole engine with the blocks of its vdisk on three redis-servers.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/engine_rig.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_directory.h"

namespace tlog::session {

using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::Milliseconds;
using tlog::testing::RedisFleet;
using tlog::testing::RedisOptions;
using tlog::testing::ShadowDisk;
using tlog::testing::wait_until;

class ClusterBlocks : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!tlog::testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
  }
  void start_fleet(bool kept) {
    RedisOptions options;
    if (kept) options.arguments = {"--appendonly", "yes", "--appendfsync", "always"};
    fleet_ = std::make_unique<RedisFleet>(3, options);
  }
  EngineRigOptions options() {
    EngineRigOptions options;
    options.directory = directory_.path();
    options.vdisk_size = 4 * kMiB;
    options.block_servers = fleet_->addresses();
    options.flush_time_ns = 200'000'000;
    return options;
  }
  // Everything is applied and the journal given back: what the servers lose now is in the log only.
  static bool settles(EngineRig& rig) {
    return wait_until(
        [&] {
          const VdiskStatus status = rig.vdisk().status();
          return status.watermarks.applied == status.watermarks.appended &&
                 status.overlay_extents == 0 && status.journal_bytes_used == 0;
        },
        Milliseconds(30'000));
  }
  static bool becomes(ShadowDisk& shadow, EngineRig& rig) {
    return wait_until([&] { return shadow.difference(rig.vdisk()).empty(); }, Milliseconds(30'000));
  }
  void write_some(ShadowDisk& shadow, EngineRig& rig, int steps) {
    for (int step = 0; step < steps; ++step)
      ASSERT_TRUE(shadow.random_step(rig.vdisk(), random_()));
    ASSERT_TRUE(rig.vdisk().flush());
  }

  tlog::testing::TempDirectory directory_;
  std::unique_ptr<RedisFleet> fleet_;
  std::mt19937_64 random_{4711};
};

}  // namespace tlog::session
