// Goal: a server that loses what it has while it is being refilled is never taken for whole: what
// is read in the end is the vdisk, block by block. Method: a slow link to a real redis-server,
// which is emptied, restarted empty, and restarted with an older dump in the midst of its
// refilling.
#include <filesystem>
#include <functional>
#include <future>

#include "tests/support/fault_proxy.h"
#include "tests/unit/session/cluster_blocks_fixture.h"

namespace tlog::session {
namespace {

using tlog::testing::FaultProxy;

class EngineRefill : public ClusterBlocks {
 protected:
  void SetUp() override {
    ClusterBlocks::SetUp();
    if (IsSkipped()) return;
    start_fleet(false);
    slow_ = std::make_unique<FaultProxy>((*fleet_)[0].address());
  }
  EngineRigOptions through_proxy() {
    EngineRigOptions how = options();
    how.block_servers[0] = slow_->address();
    return how;
  }
  // Fields of the first server's hash: its blocks, and a few more.
  int fields() {
    const std::string key = (*fleet_)[0].command({"KEYS", "blocks:*"});
    return key.empty() ? 0 : std::stoi((*fleet_)[0].command({"HLEN", key}));
  }
  bool comes_to(int count) {
    return wait_until([&] { return fields() >= count; }, Milliseconds(30'000));
  }
  // What a server has lost is noticed when it is asked for something.
  void empty(EngineRig& rig, ShadowDisk& shadow) {
    (*fleet_)[0].command({"FLUSHALL"});
    write_some(shadow, rig, 1);
  }
  // Past every cache: by the next life of the engine.
  void expect_whole(EngineRig& rig, ShadowDisk& shadow) {
    slow_->heal();
    ASSERT_TRUE(becomes(shadow, rig)) << shadow.difference(rig.vdisk());
    ASSERT_TRUE(settles(rig));
    rig.stop();
    EngineRig next(through_proxy());
    next.start();
    ASSERT_TRUE(becomes(shadow, next)) << shadow.difference(next.vdisk());
    next.stop();
  }
  void fill(EngineRig& rig, ShadowDisk& shadow) {
    rig.start();
    write_some(shadow, rig, 300);
    ASSERT_TRUE(settles(rig));
    slow_->set({.bytes_per_second = 3'000'000});
  }
  // Something happens to the emptied server at several moments of its refilling; what it is gets
  // the number of fields that the server has by then.
  void happens_meanwhile(const std::function<void(EngineRig&, ShadowDisk&, int)>& what) {
    EngineRig rig(through_proxy());
    ShadowDisk shadow(options().vdisk_size);
    fill(rig, shadow);
    empty(rig, shadow);
    for (int at : {20, 60, 100}) {
      ASSERT_TRUE(comes_to(at));
      what(rig, shadow, at);
      if (HasFatalFailure()) return;
    }
    expect_whole(rig, shadow);
  }

  std::unique_ptr<FaultProxy> slow_;
};

TEST_F(EngineRefill, emptied_again_meanwhile) {
  happens_meanwhile([&](EngineRig& rig, ShadowDisk& shadow, int) { empty(rig, shadow); });
}

TEST_F(EngineRefill, set_back_meanwhile) {
  happens_meanwhile([&](EngineRig&, ShadowDisk&, int at) {
    (*fleet_)[0].command({"SAVE"});
    ASSERT_TRUE(comes_to(at + 20));
    (*fleet_)[0].restart();  // with the dump
  });
}

TEST_F(EngineRefill, one_fault_after_the_other) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  EngineRig rig(through_proxy());
  ShadowDisk shadow(options().vdisk_size);
  fill(rig, shadow);
  for (int round = 0; round < 12; ++round) {
    switch (random() % 4) {
      case 0:
        (*fleet_)[0].command({"SAVE"});
        break;
      case 1:
        (*fleet_)[0].restart();  // empty, or with whatever dump there is
        break;
      case 2:
        slow_->close_connections();
        break;
      default:
        (*fleet_)[0].command({"FLUSHALL"});
        break;
    }
    write_some(shadow, rig, 1);
    ASSERT_TRUE(comes_to(static_cast<int>(5 + random() % 80)));
  }
  expect_whole(rig, shadow);
}

// A block server that does not answer holds up the refilling, and all that is applied. What the log
// still has to do at its end does not wait for it: shards that a store has missed are kept.
TEST_F(EngineRefill, does_not_keep_the_log_from_its_orderly_end) {
  RedisFleet log(6);
  EngineRigOptions how = through_proxy();
  how.servers = log.addresses();
  how.block_timeout_ns = 60'000'000'000;
  EngineRig rig(how);
  ShadowDisk shadow(how.vdisk_size);
  fill(rig, shadow);
  log[5].kill();
  write_some(shadow, rig, 20);
  ASSERT_TRUE(rig.vdisk().flush_to_stores(20'000'000'000));
  ASSERT_GT(rig.vdisk().status().log.missing_shards, 0U);
  ASSERT_EQ(rig.vdisk().status().log.hinted_bytes, 0U) << "they are in memory";
  empty(rig, shadow);
  ASSERT_TRUE(comes_to(20));
  slow_->set({.black_hole = true});
  auto stopping = std::async(std::launch::async, [&] { rig.stop(20'000'000'000); });
  const std::string kept = how.directory + "/journal/vm1/hinted-shards";
  EXPECT_TRUE(wait_until(
      [&] {
        std::error_code none;
        const auto bytes = std::filesystem::file_size(kept, none);
        return !none && bytes > 0;
      },
      Milliseconds(30'000)));
  slow_->heal();
  stopping.get();
  EngineRig next(how);
  next.start();
  EXPECT_GT(next.vdisk().status().log.hinted_bytes, 0U);
  ASSERT_TRUE(becomes(shadow, next)) << shadow.difference(next.vdisk());
  next.stop();
}

}  // namespace
}  // namespace tlog::session
