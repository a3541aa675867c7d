// Goal: `tlogctl cluster status` never says that all is well while a store is away, lost something
// or is not known, or while shards are missing; and it says so when all is.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/nbd/on_fleet.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class NbdClusterStatus : public OnFleet {
 protected:
  CommandResult cluster_status(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"cluster", "status"};
    words.insert(words.end(), more.begin(), more.end());
    return tlogctl(words);
  }
  bool well() { return cluster_status().ok(); }
  bool ends_well() {
    return wait_until([&] { return well(); }, kSoon);
  }
};

TEST_F(NbdClusterStatus, a_store_that_is_away_is_not_well_until_it_has_everything) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(ends_well()) << cluster_status().text();
  const CommandResult healthy = cluster_status({"c"});
  EXPECT_THAT(healthy.output, HasSubstr("cluster c: 6 stores, all is well"));
  EXPECT_THAT(healthy.output, HasSubstr("  vdisk vm1: log, serving\n"));
  EXPECT_THAT(healthy.output, HasSubstr((*fleet)[4].command({"HGET", "tlog::server", "uuid"})));

  (*fleet)[2].kill();
  write_all(500);
  EXPECT_TRUE(wait_until([&] { return number("missingShards") > 0; }, kSoon));
  const CommandResult away = cluster_status();
  EXPECT_EQ(away.exit_code, 1) << away.text();
  EXPECT_THAT(away.error, HasSubstr("1 stores are not up"));
  EXPECT_THAT(away.output, HasSubstr("not all is well"));
  EXPECT_THAT(away.output, HasSubstr("shards missing"));
  EXPECT_THAT(away.output, HasSubstr("vdisk vm1 (log): "));
  const CommandResult json = cluster_status({"--json"});
  EXPECT_EQ(json.exit_code, 1) << json.text();
  EXPECT_THAT(json.output, HasSubstr("\"ok\": false"));
  EXPECT_THAT(json.output, HasSubstr("\"address\": \"" + addresses[2] + "\""));

  (*fleet)[2].start();
  EXPECT_TRUE(ends_well()) << cluster_status().text();
  EXPECT_THAT(cluster_status({"--json"}).output, Not(HasSubstr("\"ok\": false")));
}

TEST_F(NbdClusterStatus, servers_of_blocks_are_shown_with_what_they_lack) {
  RedisFleet keepers(3, kept);
  blocks = keepers.addresses();
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(ends_well()) << cluster_status().text();
  EXPECT_THAT(cluster_status({"b"}).output, HasSubstr("  vdisk vm1: blocks, serving\n"));
  EXPECT_TRUE(status_says("blocks on"));

  keepers[1].kill();
  EXPECT_TRUE(wait_until([&] { return !cluster_status({"b"}).ok(); }, kSoon));
  EXPECT_THAT(cluster_status({"b"}).output, HasSubstr("vdisk vm1 (blocks): "));
  EXPECT_TRUE(cluster_status({"c"}).ok()) << "the log has nothing to do with it";

  // It comes back empty while the log cannot be read: refilling waits, and is seen to.
  ASSERT_TRUE(tlogctl({"flush"}).ok());
  for (std::size_t i = 0; i < 3; ++i) (*fleet)[i].kill();
  std::filesystem::remove_all(keepers[1].directory() + "/appendonlydir");
  keepers[1].start();
  EXPECT_TRUE(wait_until([&] { return status_says("is refilled from the log"); }, kSoon))
      << tlogctl({"status"}).text();
  const CommandResult json = cluster_status({"b", "--json"});
  EXPECT_EQ(json.exit_code, 1) << json.text();
  EXPECT_THAT(json.output, HasSubstr("\"state\": \"rebuilding\""));
  for (std::size_t i = 0; i < 3; ++i) (*fleet)[i].start();
  EXPECT_TRUE(ends_well()) << cluster_status().text();
  EXPECT_TRUE(all_there(1));
}

TEST_F(NbdClusterStatus, without_a_server_nothing_is_known_and_nothing_is_well) {
  serve({"-t", "64"}, options());
  write_all(1);
  EXPECT_EQ(server->stop(), 0);
  const CommandResult nobody = cluster_status();
  EXPECT_EQ(nobody.exit_code, 1) << nobody.text();
  EXPECT_THAT(nobody.error, HasSubstr("nobody serves the vdisks"));
  EXPECT_THAT(nobody.output, HasSubstr("vdisk vm1: log, not served"));
  EXPECT_THAT(nobody.output, HasSubstr("unknown"));
  const CommandResult absent = cluster_status({"absent"});
  EXPECT_EQ(absent.exit_code, 1) << absent.text();
  EXPECT_THAT(absent.error, HasSubstr("no cluster 'absent'"));
}

}  // namespace
}  // namespace tlog::testing
