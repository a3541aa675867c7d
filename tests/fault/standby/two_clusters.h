// TwoClusters: a whole engine with its log, its blocks and a standby of them on three redis-servers
// each. The servers keep what they have confirmed.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slave-sync/keeper.h"
#include "tests/fault/standby/rig_options.h"
#include "tests/support/engine_rig.h"
#include "tests/support/redis_server.h"
#include "tests/support/resp_client.h"
#include "tests/support/temp_directory.h"

namespace tlog::standby {

using session::StandbyState;
using ::testing::HasSubstr;
using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::Milliseconds;
using tlog::testing::RedisFleet;
using tlog::testing::RedisOptions;
using tlog::testing::ShadowDisk;

class TwoClusters : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!tlog::testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
    const RedisOptions kept{.arguments = {"--appendonly", "yes", "--appendfsync", "always"}};
    log_ = std::make_unique<RedisFleet>(3, kept);
    primary_ = std::make_unique<RedisFleet>(3, kept);
    standby_ = std::make_unique<RedisFleet>(3, kept);
  }
  EngineRigOptions options() {
    EngineRigOptions options = rig_options(directory_.path(), {.log = log_->addresses(),
                                                               .primary = primary_->addresses(),
                                                               .standby = standby_->addresses()});
    options.make_standby = make_keeper;
    return options;
  }
  // An engine with these options is running from now on.
  EngineRig& start(EngineRigOptions options) {
    rig_ = std::make_unique<EngineRig>(std::move(options));
    rig_->start();
    uuid_ = vdisk().status().uuid;
    return *rig_;
  }
  session::Vdisk& vdisk() { return rig_->vdisk(); }
  session::StandbyStatus standby_status() { return *vdisk().status().standby; }

  template <class Condition>
  static bool wait_for(Condition condition) {
    return tlog::testing::wait_until(condition, Milliseconds(30'000));
  }
  bool becomes(StandbyState state) {
    return wait_for([&] { return standby_status().state == state; });
  }
  void write_some(int steps) {
    for (int step = 0; step < steps; ++step)
      ASSERT_TRUE(shadow_.random_step(vdisk(), ++seed_)) << "step " << step;
    ASSERT_TRUE(vdisk().flush());
  }
  // Everything is applied and the journal given back: what is lost now is in the log only.
  ::testing::AssertionResult settles() {
    session::VdiskStatus status;
    const bool settled = wait_for([&] {
      status = vdisk().status();
      return status.watermarks.applied == status.watermarks.appended &&
             status.overlay_extents == 0 && status.journal_bytes_used == 0;
    });
    if (settled) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << "applied " << status.watermarks.applied << " of " << status.watermarks.appended
           << ", stored " << status.watermarks.stored << ", " << status.overlay_extents
           << " extents, " << status.journal_bytes_used
           << " bytes in the journal: " << status.reason;
  }
  ::testing::AssertionResult in_sync() {
    auto synced = vdisk().wait_slave_sync(30 * kSecondNs);
    if (synced) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << synced.error().message();
  }
  ::testing::AssertionResult reads_right() {
    const std::string difference = shadow_.difference(vdisk());
    if (difference.empty()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << difference;
  }
  // What a cluster's servers have, asked by a client that knows nothing of us but the format.
  std::vector<std::string> blocks_on(RedisFleet& fleet) {
    const std::string key = "blocks:vm1:" + uuid_.text();
    std::vector<std::string> blocks;
    std::vector<std::unique_ptr<tlog::testing::RespClient>> clients;
    for (std::size_t i = 0; i < fleet.size(); ++i)
      clients.push_back(std::make_unique<tlog::testing::RespClient>(fleet[i].address()));
    for (std::uint64_t block = 0; block < kDiskSize / kBlockSize; ++block) {
      std::string bytes =
          clients[block % fleet.size()]->command({"HGET", key, std::to_string(block)});
      if (bytes == "(nil)") bytes.assign(kBlockSize, '\0');
      blocks.push_back(std::move(bytes));
    }
    return blocks;
  }
  ::testing::AssertionResult has_all(RedisFleet& fleet) {
    const auto blocks = blocks_on(fleet);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto* wanted = reinterpret_cast<const char*>(shadow_.bytes().data()) + i * kBlockSize;
      if (blocks[i] != std::string_view(wanted, kBlockSize)) {
        return ::testing::AssertionFailure() << "block " << i << " differs";
      }
    }
    return ::testing::AssertionSuccess();
  }

  // Block by block, and with what the vdisk itself answers.
  ::testing::AssertionResult sides_are_equal() {
    std::string read(kDiskSize, '\0');
    const Status done = vdisk().read(0, std::as_writable_bytes(std::span(read)));
    if (!done) return ::testing::AssertionFailure() << done.error().message();
    const auto primary = blocks_on(*primary_);
    const auto standby = blocks_on(*standby_);
    for (std::size_t i = 0; i < primary.size(); ++i) {
      const auto wanted = std::string_view(read).substr(i * kBlockSize, kBlockSize);
      if (primary[i] == wanted && standby[i] == wanted) continue;
      return ::testing::AssertionFailure()
             << "block " << i << " of the " << (primary[i] == wanted ? "standby" : "primary")
             << " is not what the vdisk reads; active is '" << standby_status().active << "'";
    }
    return ::testing::AssertionSuccess();
  }

  static void kill_all(RedisFleet& fleet) {
    for (std::size_t i = 0; i < fleet.size(); ++i) fleet[i].kill();
  }
  static void start_all(RedisFleet& fleet) {
    for (std::size_t i = 0; i < fleet.size(); ++i) fleet[i].start();
  }
  static void pause_all(RedisFleet& fleet) {
    for (std::size_t i = 0; i < fleet.size(); ++i) fleet[i].pause();
  }
  static void resume_all(RedisFleet& fleet) {
    for (std::size_t i = 0; i < fleet.size(); ++i) fleet[i].resume();
  }

  tlog::testing::TempDirectory directory_;
  std::unique_ptr<RedisFleet> log_;
  std::unique_ptr<RedisFleet> primary_;
  std::unique_ptr<RedisFleet> standby_;
  ShadowDisk shadow_{kDiskSize};
  std::uint64_t seed_ = 1000;
  Uuid uuid_;                       // of the vdisk, as it was last started
  std::unique_ptr<EngineRig> rig_;  // the last to be made, the first to go
};

}  // namespace tlog::standby
