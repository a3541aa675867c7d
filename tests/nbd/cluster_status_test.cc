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
  // The first look of which `is_it` is true, or the last one of all. What one look says is of one
  // moment: on a busy machine a server may be late, and away, in the next.
  template <class Condition>
  CommandResult look_until(const std::vector<std::string>& words, Condition is_it) {
    CommandResult look;
    EXPECT_TRUE(wait_until(
        [&] {
          look = cluster_status(words);
          return is_it(look);
        },
        kSoon))
        << look.text();
    return look;
  }
  CommandResult well(const std::vector<std::string>& words = {}) {
    return look_until(words, [](const CommandResult& look) { return look.ok(); });
  }
  static bool says(const CommandResult& look, const std::string& text) {
    return look.output.find(text) != std::string::npos;
  }
};

TEST_F(NbdClusterStatus, a_store_that_is_away_is_not_well_until_it_has_everything) {
  serve({"-t", "64"}, options());
  write_all(1);
  const CommandResult healthy = well({"c"});
  EXPECT_THAT(healthy.output, HasSubstr("cluster c: 6 stores, all is well"));
  EXPECT_THAT(healthy.output, HasSubstr("  vdisk vm1: log, serving\n"));
  EXPECT_THAT(healthy.output, HasSubstr((*fleet)[4].command({"HGET", "tlog::server", "uuid"})));

  (*fleet)[2].kill();
  write_all(500);
  const CommandResult away = look_until({}, [](const CommandResult& look) {
    return says(look, "shards missing") &&
           look.error.find("1 stores are not up") != std::string::npos;
  });
  EXPECT_EQ(away.exit_code, 1) << away.text();
  EXPECT_THAT(away.output, HasSubstr("not all is well"));
  EXPECT_THAT(away.output, HasSubstr("vdisk vm1 (log): "));
  const CommandResult json = cluster_status({"--json"});
  EXPECT_EQ(json.exit_code, 1) << json.text();
  EXPECT_THAT(json.output, HasSubstr("\"ok\": false"));
  EXPECT_THAT(json.output, HasSubstr("\"address\": \"" + addresses[2] + "\""));

  (*fleet)[2].start();
  EXPECT_THAT(well({"--json"}).output, Not(HasSubstr("\"ok\": false")));
  EXPECT_EQ(number("missingShards"), 0u) << "it said that all was well, and nobody writes";
}

// Between the moment at which it is found empty and the one at which it has everything there is
// none at which it is well: otherwise the first look that is well would come too early.
TEST_F(NbdClusterStatus, an_emptied_store_is_not_well_before_it_has_everything) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(tlogctl({"flush"}).ok());
  (void)well();
  for (int round = 0; round < 3; ++round) {
    (*fleet)[1].command({"FLUSHALL"});
    // Marked anew, and from now on filled.
    ASSERT_TRUE(wait_until(
        [&] {
          return (*fleet)[1].command({"EXISTS", "tlog:vm1:ctl"}) == "1";
        },
        kSoon));
    (void)well();
    const CommandResult scrub = tlogctl({"scrub"});
    EXPECT_TRUE(scrub.ok()) << scrub.text();
  }
}

TEST_F(NbdClusterStatus, servers_of_blocks_are_shown_with_what_they_lack) {
  RedisFleet keepers(3, kept);
  blocks = keepers.addresses();
  serve({"-t", "64"}, options());
  write_all(1);
  (void)well();
  EXPECT_THAT(well({"b"}).output, HasSubstr("  vdisk vm1: blocks, serving\n"));
  EXPECT_TRUE(status_says("blocks on"));

  keepers[1].kill();
  const CommandResult without =
      look_until({"b"}, [](const CommandResult& look) { return !look.ok(); });
  EXPECT_THAT(without.output, HasSubstr("vdisk vm1 (blocks): "));
  (void)well({"c"});  // the log has nothing to do with it

  // It comes back empty while the log cannot be read: refilling waits, and is seen to.
  ASSERT_TRUE(tlogctl({"flush"}).ok());
  for (std::size_t i = 0; i < 3; ++i) (*fleet)[i].kill();
  std::filesystem::remove_all(keepers[1].directory() + "/appendonlydir");
  keepers[1].start();
  EXPECT_TRUE(wait_until([&] { return status_says("is refilled from the log"); }, kSoon))
      << tlogctl({"status"}).text();
  const CommandResult refilling = look_until({"b", "--json"}, [](const CommandResult& look) {
    return says(look, "\"state\": \"rebuilding\"");
  });
  EXPECT_EQ(refilling.exit_code, 1) << refilling.text();
  for (std::size_t i = 0; i < 3; ++i) (*fleet)[i].start();
  (void)well();
  EXPECT_TRUE(wait_until([&] { return all_there(1); }, kSoon));
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
