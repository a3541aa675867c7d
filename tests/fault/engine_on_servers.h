// EngineOnServers: a whole engine over six real redis-servers that keep what they have confirmed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/support/engine_rig.h"
#include "tests/support/log_rig.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_directory.h"

namespace tlog::session {

class EngineOnServers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!tlog::testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
    fleet_ = std::make_unique<tlog::testing::RedisFleet>(
        6, tlog::testing::RedisOptions{
               .arguments = {"--appendonly", "yes", "--appendfsync", "always"}});
  }
  tlog::testing::EngineRigOptions options() {
    tlog::testing::EngineRigOptions options;
    options.directory = directory_.path();
    options.durability = config::Durability::kCluster;
    options.servers = fleet_->addresses();
    return options;
  }
  tlog::testing::RedisServer& server(std::size_t index) { return (*fleet_)[index]; }
  Status steps(tlog::testing::EngineRig& rig, unsigned count) {
    for (unsigned i = 0; i < count; ++i) TLOG_TRY(shadow_.random_step(rig.vdisk(), ++seed_));
    return rig.vdisk().flush();
  }
  template <class Condition>
  static bool wait_for(Condition condition) {
    return tlog::testing::wait_until(condition, tlog::testing::Milliseconds(30'000));
  }
  // Every server is up and has its shard of every aggregation.
  static bool is_whole(tlog::testing::EngineRig& rig) {
    return wait_for([&] {
      const VdiskStatus status = rig.vdisk().status();
      return status.log.missing_shards == 0 &&
             std::all_of(status.stores.begin(), status.stores.end(),
                         [](const auto& store) { return store.state == store::StoreState::kUp; });
    });
  }

  tlog::testing::TempDirectory directory_;
  std::unique_ptr<tlog::testing::RedisFleet> fleet_;
  tlog::testing::ShadowDisk shadow_{16 * kMiB};
  std::uint64_t seed_ = 100;
};

}  // namespace tlog::session
