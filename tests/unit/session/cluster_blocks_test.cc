// Goal: a vdisk whose blocks are on a cluster is a disk as one with a file is: across restarts,
// with servers that are away for a while, and with servers that come back with less than they had,
// which are refilled from the log without being asked. Method: the whole engine, real
// redis-servers.
#include "tests/unit/session/cluster_blocks_fixture.h"

namespace tlog::session {
namespace {

using ::testing::HasSubstr;

TEST_F(ClusterBlocks, is_a_disk_also_after_restarts) {
  start_fleet(false);
  ShadowDisk shadow(options().vdisk_size);
  for (int life = 0; life < 4; ++life) {
    EngineRig rig(options());
    rig.start();
    ASSERT_EQ(shadow.difference(rig.vdisk()), "") << "life " << life;
    write_some(shadow, rig, 200);
    ASSERT_EQ(shadow.difference(rig.vdisk()), "");
    if (life % 2 == 0) {
      ASSERT_TRUE(settles(rig));
      ASSERT_EQ(shadow.difference(rig.vdisk()), "");
    }
    rig.stop(life == 1 ? 0 : 20'000'000'000);
  }
}

TEST_F(ClusterBlocks, a_server_away_stops_only_its_own_blocks) {
  start_fleet(true);
  EngineRig rig(options());
  rig.start();
  ShadowDisk shadow(options().vdisk_size);
  write_some(shadow, rig, 200);
  ASSERT_TRUE(settles(rig));
  (*fleet_)[1].kill();
  write_some(shadow, rig, 100);  // writes go on: they are in the journal
  std::vector<std::byte> block(4096);
  EXPECT_TRUE(rig.vdisk().read(0, block));
  ASSERT_TRUE(
      wait_until([&] { return !rig.vdisk().status().reason.empty(); }, Milliseconds(30'000)));
  EXPECT_THAT(rig.vdisk().status().reason, HasSubstr((*fleet_)[1].address()));
  EXPECT_EQ(rig.vdisk().status().state, State::kServing);
  (*fleet_)[1].start();
  ASSERT_TRUE(becomes(shadow, rig));
  ASSERT_TRUE(settles(rig));
  EXPECT_EQ(shadow.difference(rig.vdisk()), "");
  rig.stop();
}

TEST_F(ClusterBlocks, an_emptied_server_is_refilled_from_the_log) {
  start_fleet(false);
  EngineRig rig(options());
  rig.start();
  ShadowDisk shadow(options().vdisk_size);
  write_some(shadow, rig, 300);
  ASSERT_TRUE(settles(rig));
  (*fleet_)[0].command({"FLUSHALL"});
  ASSERT_TRUE(becomes(shadow, rig));
  write_some(shadow, rig, 100);
  (*fleet_)[2].restart();  // without persistence: empty
  ASSERT_TRUE(becomes(shadow, rig));
  ASSERT_TRUE(settles(rig));
  EXPECT_EQ(shadow.difference(rig.vdisk()), "");
  rig.stop();
}

// Emptied while nobody was there to see it.
TEST_F(ClusterBlocks, servers_emptied_between_lives_are_refilled) {
  start_fleet(false);
  ShadowDisk shadow(options().vdisk_size);
  {
    EngineRig rig(options());
    rig.start();
    write_some(shadow, rig, 300);
    ASSERT_TRUE(settles(rig));
    rig.stop();
  }
  for (std::size_t i = 0; i < fleet_->size(); ++i) (*fleet_)[i].restart();
  EngineRig rig(options());
  rig.start();
  ASSERT_TRUE(becomes(shadow, rig));
  write_some(shadow, rig, 50);
  ASSERT_TRUE(settles(rig));
  EXPECT_EQ(shadow.difference(rig.vdisk()), "");
  rig.stop();
}

TEST_F(ClusterBlocks, a_restart_with_an_old_snapshot_is_brought_up_to_date) {
  start_fleet(false);
  EngineRig rig(options());
  rig.start();
  ShadowDisk shadow(options().vdisk_size);
  write_some(shadow, rig, 100);
  ASSERT_TRUE(settles(rig));
  (*fleet_)[1].command({"SAVE"});
  write_some(shadow, rig, 100);
  ASSERT_TRUE(settles(rig));
  (*fleet_)[1].restart();
  ASSERT_TRUE(becomes(shadow, rig));
  ASSERT_TRUE(settles(rig));
  EXPECT_EQ(shadow.difference(rig.vdisk()), "");
  rig.stop();
}

TEST_F(ClusterBlocks, a_changed_server_list_is_refused) {
  start_fleet(true);
  EngineRigOptions how = options();
  {
    EngineRig rig(how);
    rig.start();
    ASSERT_TRUE(rig.vdisk().write(0, std::vector<std::byte>(8192, std::byte{1}), true));
    rig.stop();
  }
  std::swap(how.block_servers[0], how.block_servers[2]);
  EngineRig changed(how);
  const Status refused = changed.try_start();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("the configuration makes it part"));
}

}  // namespace
}  // namespace tlog::session
