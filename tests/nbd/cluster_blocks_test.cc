// A vdisk whose blocks are on redis servers, from the client's side: restarts and crashes of
// nbdkit, a server killed and back, a server emptied, a changed list of servers.
#include "tests/nbd/serving.h"
#include "tests/support/redis_server.h"

namespace tlog::testing {
namespace {

constexpr std::uint64_t kBlocks = 300;

class NbdClusterBlocks : public Serving {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
    RedisOptions kept;
    kept.arguments = {"--appendonly", "yes", "--appendfsync", "always"};
    fleet = std::make_unique<RedisFleet>(3, kept);
  }
  SiteOptions on_servers(const std::vector<std::string>& addresses) {
    SiteOptions options;
    options.clusters =
        "  local: {directories: [log/0, log/1, log/2, log/3, log/4, log/5]}\n"
        "  primary: {servers: [";
    for (const std::string& address : addresses)
      options.clusters += "{address: \"" + address + "\"},";
    options.clusters += "]}\n";
    options.vdisks[0].storage = "{cluster: primary, cache: 1MiB}";
    return options;
  }
  void write_all() {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t i = 0; i < kBlocks; ++i) client.write(i * 4096, pattern(4096, i));
    client.flush();
  }
  // Whether every block is what was written; false also when one cannot be read.
  bool all_there() {
    NbdClient client(server->uri("vm1"));
    try {
      for (std::uint64_t i = 0; i < kBlocks; ++i) {
        if (client.read(i * 4096, 4096) != pattern(4096, i)) {
          ADD_FAILURE() << "block " << i << " is wrong";
          return false;
        }
      }
    } catch (const std::runtime_error&) {
      return false;
    }
    return true;
  }

  std::unique_ptr<RedisFleet> fleet;
};

TEST_F(NbdClusterBlocks, what_was_written_is_there_after_a_crash_and_a_restart) {
  serve({"-t", "64"}, on_servers(fleet->addresses()));
  write_all();
  EXPECT_TRUE(all_there());
  server->kill();
  start({"-t", "64"});
  EXPECT_TRUE(all_there());
  EXPECT_EQ(server->stop(), 0);
  EXPECT_NE((*fleet)[1].command({"DBSIZE"}), "0") << "nothing was put on the servers";
  start({"-t", "64"});
  EXPECT_TRUE(all_there());
}

TEST_F(NbdClusterBlocks, a_server_killed_and_back_and_one_emptied) {
  serve({"-t", "64"}, on_servers(fleet->addresses()));
  write_all();
  EXPECT_EQ(server->stop(), 0);
  (*fleet)[1].kill();
  start({"-t", "64"});
  EXPECT_FALSE(all_there()) << "the blocks of a server that is away";
  (*fleet)[1].start();
  EXPECT_TRUE(wait_until([&] { return all_there(); }, Milliseconds(60'000)));
  EXPECT_EQ(server->stop(), 0);
  (*fleet)[2].command({"FLUSHALL"});
  start({"-t", "64"});
  EXPECT_TRUE(wait_until([&] { return all_there(); }, Milliseconds(60'000)));
}

TEST_F(NbdClusterBlocks, a_changed_list_of_servers_is_refused) {
  serve({"-t", "64"}, on_servers(fleet->addresses()));
  write_all();
  EXPECT_EQ(server->stop(), 0);
  auto addresses = fleet->addresses();
  std::swap(addresses[0], addresses[1]);
  site->configure(on_servers(addresses));
  start({"-t", "64"});
  EXPECT_ANY_THROW(NbdClient(server->uri("vm1")));
  EXPECT_NE(server->log().find("the configuration makes it part"), std::string::npos)
      << server->log();
  EXPECT_EQ(server->stop(), 0);
  site->configure(on_servers(fleet->addresses()));
  start({"-t", "64"});
  EXPECT_TRUE(all_there());
}

}  // namespace
}  // namespace tlog::testing
