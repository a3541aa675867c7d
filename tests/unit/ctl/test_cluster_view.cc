// What `tlogctl cluster status` says of a vdisk with two clusters for its blocks: which has them
// now, and whether the other follows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/cluster_view.h"

namespace tlog::ctl {
namespace {

using ::testing::HasSubstr;

class ClusterViewOfStandby : public ::testing::Test {
 protected:
  ClusterViewOfStandby() {
    auto parsed = config::parse(
        "clusters:\n"
        "  l: {directories: [x, y, z]}\n"
        "  p: {servers: [{address: p1:1}, {address: p2:1}]}\n"
        "  s: {servers: [{address: s1:1}, {address: s2:1}]}\n"
        "tlog: {cluster: l, dataShards: 2, parityShards: 1, slaveSync: true}\n"
        "vdisks: {vm1: {size: 8MiB, storage: {cluster: p}, slaveStorage: {cluster: s}}}\n",
        "/etc/t.yml");
    EXPECT_TRUE(parsed) << parsed.error().message();
    if (parsed) config = *std::move(parsed);
    report.name = "vm1";
    report.state = "serving";
    set("p", "s", "in sync");
  }
  static std::vector<control::StoreReport> servers_of(const std::string& cluster) {
    std::vector<control::StoreReport> servers;
    for (const char* number : {"1", "2"}) {
      servers.push_back({.name = "redis " + cluster + number + ":1@0",
                         .usable = true,
                         .condition = "up",
                         .state = "up"});
    }
    return servers;
  }
  void set(const std::string& active, const std::string& standby, const std::string& state) {
    report.block_servers = servers_of(active);
    report.standby = {.state = state, .reason = "why", .active = active, .standby = standby};
    if (state != "failed over") report.standby->servers = servers_of(standby);
  }
  ClusterView view(const std::string& name) {
    return view_cluster(config, *config.find_cluster(name), {report});
  }

  config::Config config;
  control::VdiskReport report;
};

TEST_F(ClusterViewOfStandby, each_cluster_has_its_own_use_and_servers) {
  const ClusterView primary = view("p");
  ASSERT_EQ(primary.users.size(), 1U);
  EXPECT_EQ(primary.users[0].use, Use::kBlocks);
  EXPECT_TRUE(primary.is_well());
  const ClusterView standby = view("s");
  ASSERT_EQ(standby.users.size(), 1U);
  EXPECT_EQ(standby.users[0].use, Use::kStandby);
  EXPECT_TRUE(standby.is_well());
  ASSERT_EQ(standby.places[0].views.size(), 1U);
  EXPECT_EQ(standby.places[0].views[0].report.name, "redis s1:1@0");
  EXPECT_THAT(cluster_table(standby), HasSubstr("vdisk vm1: standby, in sync"));
  EXPECT_THAT(clusters_json({standby}), HasSubstr("\"use\": \"standby\""));
}

TEST_F(ClusterViewOfStandby, after_a_failover_they_have_changed_places) {
  set("s", "p", "failed over");
  const ClusterView standby = view("s");
  EXPECT_EQ(standby.users[0].use, Use::kBlocks);
  EXPECT_EQ(standby.places[1].views[0].report.name, "redis s2:1@0");
  EXPECT_TRUE(standby.is_well());
  const ClusterView primary = view("p");
  EXPECT_EQ(primary.users[0].use, Use::kStandby);
  EXPECT_FALSE(primary.is_well());
  EXPECT_EQ(primary.users[0].reason, "why");
  EXPECT_EQ(primary.places[0].state(), "unknown");
  EXPECT_NE(what_is_wrong({primary}), "");
}

TEST_F(ClusterViewOfStandby, who_is_not_in_sync_is_not_well) {
  for (const char* state : {"starting", "catching up", "waiting", "diverged"}) {
    set("p", "s", state);
    EXPECT_FALSE(view("s").is_well()) << state;
    EXPECT_TRUE(view("p").is_well()) << state;
  }
}

TEST_F(ClusterViewOfStandby, a_cluster_that_is_not_to_follow_is_not_used) {
  config.vdisks[0].tlog.slave_sync = false;
  EXPECT_TRUE(view("s").users.empty());
  EXPECT_EQ(view("p").users[0].use, Use::kBlocks);
}

}  // namespace
}  // namespace tlog::ctl
