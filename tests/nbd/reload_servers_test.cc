// Goal: servers of a cluster are moved, replaced and mixed up while a vdisk is served: what is read
// is always what was written, a server is known by its uuid and not by its address, and a list in
// the wrong order is refused with the place where each address belongs.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>

#include "tests/nbd/on_fleet.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class NbdReloadServers : public OnFleet {
 protected:
  // The same server at another address: what it kept is there, its uuid too.
  std::unique_ptr<RedisServer> move(std::size_t place) {
    auto moved = std::make_unique<RedisServer>(kept);
    moved->kill();
    (*fleet)[place].kill();
    std::filesystem::remove_all(moved->directory() + "/appendonlydir");
    std::filesystem::copy((*fleet)[place].directory() + "/appendonlydir",
                          moved->directory() + "/appendonlydir",
                          std::filesystem::copy_options::recursive);
    moved->start();
    return moved;
  }
};

TEST_F(NbdReloadServers, a_moved_server_is_known_by_its_uuid_no_rebuild) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(all_up());
  auto moved = move(2);
  addresses[2] = moved->address();
  const CommandResult reloaded = reload();
  EXPECT_TRUE(reloaded.ok()) << reloaded.text();
  write_all(1000);
  EXPECT_TRUE(all_up()) << tlogctl({"status"}).output;
  EXPECT_TRUE(status_says(moved->address())) << tlogctl({"status"}).output;
  EXPECT_TRUE(all_there(1000));
  scrub_is_clean();
  EXPECT_THAT(server->log(), Not(HasSubstr("rebuilding")));
  EXPECT_THAT(server->log(), Not(HasSubstr("wiped")));
}

TEST_F(NbdReloadServers, an_empty_server_in_a_lost_one_s_place_is_filled) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(all_up());
  (*fleet)[4].kill();
  RedisServer empty(kept);
  addresses[4] = empty.address();
  const CommandResult reloaded = reload();
  EXPECT_TRUE(reloaded.ok()) << reloaded.text();
  EXPECT_TRUE(all_up()) << tlogctl({"status"}).output;
  scrub_is_clean();
  EXPECT_TRUE(all_there(1));
}

// The servers stay, the list is wrong: refused, with the place of each.
TEST_F(NbdReloadServers, swapped_addresses_in_the_file_are_refused_with_their_places) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(all_up());
  const auto right = addresses;
  std::swap(addresses[0], addresses[3]);
  const CommandResult refused = reload();
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error,
              HasSubstr("at " + right[3] + " is the server of clusters.c.servers.3"));
  EXPECT_THAT(refused.error,
              HasSubstr("at " + right[0] + " is the server of clusters.c.servers.0"));
  EXPECT_THAT(refused.error, HasSubstr("tlogdisk.yml:4:"));
  write_all(500);
  EXPECT_TRUE(all_there(500));
  EXPECT_TRUE(all_up());
  addresses = right;
  EXPECT_TRUE(reload().ok());
  EXPECT_EQ(number("configGeneration"), 1u);
}

// Line 7 of the table: nobody answers while the wrong list is taken over, then the wrong servers
// do.
TEST_F(NbdReloadServers, swapped_addresses_after_reload_are_mismatch_or_remapped_never_wrong_data) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(all_up());
  const auto right = addresses;
  (*fleet)[0].kill();
  (*fleet)[3].kill();
  std::swap(addresses[0], addresses[3]);
  const CommandResult blind = reload();
  EXPECT_TRUE(blind.ok()) << blind.text();
  (*fleet)[0].start();
  (*fleet)[3].start();
  EXPECT_TRUE(wait_until([&] { return status_says("mismatch"); }, kSoon));
  EXPECT_TRUE(all_there(1));
  const CommandResult deep = tlogctl({"scrub", "--deep"});
  EXPECT_THAT(deep.output, HasSubstr("0 wrong")) << deep.text();
  addresses = right;
  EXPECT_TRUE(reload().ok());
  EXPECT_TRUE(all_up()) << tlogctl({"status"}).output;
  write_all(500);
  EXPECT_TRUE(all_there(500));
  scrub_is_clean();
}

// The servers have really changed their addresses: the list follows them.
TEST_F(NbdReloadServers, servers_that_swapped_their_addresses_are_remapped) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(all_up());
  // As if each had got the other's machine's address.
  RedisServer& one = (*fleet)[1];
  RedisServer& other = (*fleet)[5];
  one.kill();
  other.kill();
  const std::string aside = one.directory() + "/aside";
  std::filesystem::rename(one.directory() + "/appendonlydir", aside);
  std::filesystem::rename(other.directory() + "/appendonlydir", one.directory() + "/appendonlydir");
  std::filesystem::rename(aside, other.directory() + "/appendonlydir");
  one.start();
  other.start();
  std::swap(addresses[1], addresses[5]);
  const CommandResult reloaded = reload();
  ASSERT_TRUE(reloaded.ok()) << reloaded.text();
  ASSERT_TRUE(all_up()) << tlogctl({"status"}).output;
  write_all(500);
  EXPECT_TRUE(all_there(500));
  scrub_is_clean();
}

TEST_F(NbdReloadServers, another_log_s_server_is_refused) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(all_up());
  RedisServer foreign(kept);
  foreign.command({"HSET", "tlog::server", "uuid", "11111111-2222-3333-4444-555555555555"});
  addresses[1] = foreign.address();
  const CommandResult refused = reload();
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error, HasSubstr("is another server (11111111-2222-3333-4444-555555555555)"));
  EXPECT_TRUE(all_up());
}

TEST_F(NbdReloadServers, a_server_that_may_evict_is_refused) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(all_up());
  RedisOptions evicts;
  evicts.arguments = {"--maxmemory-policy", "allkeys-lru"};
  RedisServer bad(evicts);
  addresses[1] = bad.address();
  const CommandResult refused = reload();
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error, HasSubstr("clusters.c.servers.1.address"));
  EXPECT_THAT(refused.error, HasSubstr("maxmemory-policy"));
}

// A password that is changed on the server and in its file, without another word in the
// configuration.
TEST_F(NbdReloadServers, a_new_password_in_its_file_is_read_at_tlogctl_reload) {
  serve({"-t", "64"}, options());
  write_all(1);
  ASSERT_TRUE(all_up());
  write_text(site->file("password"), "secret\n", 0600);
  (*fleet)[0].command({"CONFIG", "SET", "requirepass", "secret"});
  SiteOptions with_password = options();
  const std::string plain = "{address: \"" + addresses[0] + "\"}";
  const std::size_t at = with_password.clusters.find(plain);
  ASSERT_NE(at, std::string::npos);
  with_password.clusters.insert(at + plain.size() - 1, ", passwordFile: password");
  site->configure(with_password);
  EXPECT_TRUE(tlogctl({"reload"}).ok());
  EXPECT_TRUE(all_up()) << tlogctl({"status"}).output;
  scrub_is_clean();
  std::filesystem::remove(site->file("password"));
  const CommandResult refused = tlogctl({"reload"});
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error, HasSubstr("password"));
  EXPECT_THAT(refused.error, Not(HasSubstr("secret")));
}

// Blocks on a cluster: their servers move along, and parts that are mixed up are refused.
TEST_F(NbdReloadServers, block_servers_move_along) {
  RedisFleet keepers(3, kept);
  blocks = keepers.addresses();
  serve({"-t", "64"}, options());
  write_all(1);
  EXPECT_TRUE(all_there(1));
  const auto right = blocks;
  std::swap(blocks[0], blocks[2]);
  const CommandResult refused = reload();
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error, HasSubstr("clusters.b.servers.0.address"));
  EXPECT_THAT(refused.error, HasSubstr("part 2 of 3"));
  EXPECT_TRUE(all_there(1));
  // An empty one in a lost one's place is refilled from the log.
  blocks = right;
  ASSERT_TRUE(tlogctl({"flush"}).ok());
  RedisServer empty(kept);
  keepers[1].kill();
  blocks[1] = empty.address();
  const CommandResult replaced = reload();
  EXPECT_TRUE(replaced.ok()) << replaced.text();
  EXPECT_TRUE(wait_until([&] { return all_there(1); }, kSoon));
  EXPECT_NE(empty.command({"DBSIZE"}), "0");
}

}  // namespace
}  // namespace tlog::testing
