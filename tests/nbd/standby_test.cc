// Goal: a client does not notice that the servers of its disk have died, an operator sees what has
// been done and goes back with tlogctl, and nothing of it holds up the end of nbdkit.
#include <gmock/gmock.h>

#include <filesystem>
#include <future>

#include "tests/nbd/on_fleet.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

class NbdStandby : public OnFleet {
 protected:
  void SetUp() override {
    OnFleet::SetUp();
    if (IsSkipped()) return;
    primary = std::make_unique<RedisFleet>(2, kept);
    standby = std::make_unique<RedisFleet>(2, kept);
    blocks = primary->addresses();
    SiteOptions site_options = options();
    site_options.clusters += list("s", standby->addresses());
    site_options.vdisks[0].more = ", slaveStorage: {cluster: s, failoverAfter: 500ms}";
    site_options.tlog += ", slaveSync: true, durability: cluster";
    everywhere = site_options;
    serve({"-t", "64"}, site_options);
    write_all(1);
    const CommandResult synced = tlogctl({"wait-slave-sync", "vm1"});
    ASSERT_TRUE(synced.ok()) << synced.text();
  }
  static void kill_all(RedisFleet& servers) {
    for (std::size_t i = 0; i < servers.size(); ++i) servers[i].kill();
  }
  static void start_all(RedisFleet& servers) {
    for (std::size_t i = 0; i < servers.size(); ++i) servers[i].start();
  }
  bool is_on(const std::string& cluster) {
    return tlogctl({"status", "--json", "vm1"}).output.find("\"active\": \"" + cluster + "\"") !=
           std::string::npos;
  }
  std::vector<std::string> receipts() const {
    std::vector<std::string> texts;
    for (const auto& entry :
         std::filesystem::directory_iterator(site->file("journal/vm1/receipts"))) {
      texts.push_back(read_text(entry.path()));
    }
    return texts;
  }

  SiteOptions everywhere;  // of each host
  std::unique_ptr<RedisFleet> primary;
  std::unique_ptr<RedisFleet> standby;
};

TEST_F(NbdStandby, over_by_itself_and_back_by_command) {
  {
    NbdClient client(server->uri("vm1"));
    kill_all(*primary);
    // An error would be thrown.
    for (std::uint64_t i = 0; i < kBlocks; ++i) client.write(i * 4096, pattern(4096, 2 + i));
    client.flush();
    for (std::uint64_t i = 0; i < kBlocks; ++i) {
      ASSERT_EQ(client.read(i * 4096, 4096), pattern(4096, 2 + i)) << i;
    }
    ASSERT_TRUE(wait_until([&] { return is_on("s"); }, kSoon));
    for (std::uint64_t i = 0; i < kBlocks; ++i) client.write(i * 4096, pattern(4096, 3 + i));
    client.flush();
  }
  ASSERT_EQ(receipts().size(), 1U);
  EXPECT_THAT(receipts()[0], HasSubstr("0 acknowledged writes lost"));
  EXPECT_TRUE(status_says("ALARM      no-standby: "));
  const CommandResult waiting = tlogctl({"wait-slave-sync", "vm1", "--timeout", "10m"});
  EXPECT_EQ(waiting.exit_code, 1) << waiting.text();
  const CommandResult early = tlogctl({"failback", "vm1"});
  EXPECT_EQ(early.exit_code, 1);
  EXPECT_THAT(early.error, HasSubstr("tlogctl resync vm1"));

  start_all(*primary);
  const CommandResult resync = tlogctl({"resync", "vm1"});
  ASSERT_TRUE(resync.ok()) << resync.text();
  EXPECT_THAT(resync.output, HasSubstr("cluster 'b' is in sync with 's'"));
  const CommandResult back = tlogctl({"failback", "vm1"});
  ASSERT_TRUE(back.ok()) << back.text();
  EXPECT_THAT(back.output, HasSubstr("from cluster 's' to 'b'"));
  EXPECT_THAT(back.output, HasSubstr("0 acknowledged writes lost"));
  EXPECT_TRUE(is_on("b"));
  EXPECT_EQ(receipts().size(), 2U);
  EXPECT_EQ(tlogctl({"failback", "vm1"}).exit_code, 1) << "it is at home";
  EXPECT_TRUE(all_there(3));
  EXPECT_TRUE(tlogctl({"wait-slave-sync", "vm1"}).ok());
  EXPECT_TRUE(tlogctl({"cluster", "status", "s"}).ok());
}

TEST_F(NbdStandby, another_process_goes_on_where_the_vdisk_is) {
  const CommandResult over = tlogctl({"failover", "vm1"});
  ASSERT_TRUE(over.ok()) << over.text();
  write_all(5);
  server->kill();
  kill_all(*primary);
  start({"-t", "64"});
  EXPECT_TRUE(all_there(5));
  EXPECT_TRUE(is_on("s"));
  EXPECT_TRUE(status_says("0 acknowledged writes lost")) << "the receipt of before";
}

// Host and primary die together under QEMU, which has been told to connect again: every write is
// flushed before the next one, so nothing that it relies on is lost.
TEST_F(NbdStandby, qemu_goes_on_at_another_host) {
  constexpr int kRounds = 400;
  const std::string socket = site->file("vm1.sock");  // where QEMU looks for it
  std::filesystem::create_symlink(server->socket_path(), socket);
  ProcessOptions qemu{
      .arguments = {"qemu-io", "--image-opts",
                    "driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=" + socket +
                        ",file.export=vm1,file.reconnect-delay=60"},
      .environment = {},
      .directory = {},
      .output_path = site->file("qemu.out"),
      .error_path = site->file("qemu.err")};
  for (int round = 1; round <= kRounds; ++round) {
    const std::string pattern = std::to_string(1 + round % 250);
    for (const std::string& command :
         {"write -P " + pattern + " 0 64k", std::string("flush"), "read -P " + pattern + " 0 64k"})
      qemu.arguments.insert(qemu.arguments.end(), {"-c", command});
  }
  const auto written = [&] {
    const std::string output = read_text(qemu.output_path);
    int count = 0;
    for (std::size_t at = 0; (at = output.find("wrote 65536/65536", at)) != std::string::npos; ++at)
      ++count;
    return count;
  };
  Process client(qemu);
  ASSERT_TRUE(wait_until([&] { return written() > 20; }, kSoon));
  ASSERT_LT(written(), kRounds / 2);
  server->kill();
  kill_all(*primary);

  Site second(everywhere);
  std::filesystem::copy_file(site->file("tlogdisk.key"), second.file("tlogdisk.key"),
                             std::filesystem::copy_options::overwrite_existing);
  const CommandResult taken =
      run_command({TLOG_TLOGCTL, "--config", second.config_path(), "takeover", "vm1"});
  ASSERT_TRUE(taken.ok()) << taken.text();
  auto other = NbdkitServer::start(second.nbdkit({"-t", "64"}));
  ASSERT_TRUE(other) << other.error().message();
  std::filesystem::remove(socket);
  std::filesystem::create_symlink((*other)->socket_path(), socket);
  EXPECT_EQ(client.wait(kSoon), 0) << read_text(qemu.error_path) << (*other)->log();
  EXPECT_EQ(written(), kRounds) << read_text(qemu.error_path);
  EXPECT_THAT(read_text(qemu.output_path), ::testing::Not(HasSubstr("failed")));
  const CommandResult status =
      run_command({TLOG_TLOGCTL, "--config", second.config_path(), "status", "--json", "vm1"});
  EXPECT_THAT(status.output, HasSubstr("\"active\": \"s\""));
}

TEST_F(NbdStandby, a_wait_does_not_hold_up_the_end) {
  kill_all(*standby);
  write_all(7);
  auto waiting = std::async(std::launch::async, [&] {
    return tlogctl({"wait-slave-sync", "vm1", "--timeout", "24h"});
  });
  ASSERT_TRUE(wait_until([&] { return status_says("ALARM      standby-waiting: "); }, kSoon));
  EXPECT_EQ(server->stop(), 0);
  EXPECT_EQ(waiting.get().exit_code, 1);
}

}  // namespace
}  // namespace tlog::testing
