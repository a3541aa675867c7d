// A served vdisk as tlogctl sees it.
#include <libnbd.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "tests/nbd/controlled.h"

namespace tlog::testing {
namespace {

// Ends a process that is not a child of ours, whatever else fails.
struct EndOfProcess {
  pid_t pid;  // 0: it has ended already
  ~EndOfProcess() {
    if (pid > 0) ::kill(pid, SIGKILL);
  }
};

class NbdControl : public Controlled {};

TEST_F(NbdControl, discard_whole_disk_is_one_record) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(4096, 1));
  const std::uint64_t before = number("appended");
  client.trim(0, client.size());
  EXPECT_EQ(number("appended"), before + 1);
  client.zero(0, client.size());
  client.zero(1, client.size() - 2, LIBNBD_CMD_FLAG_NO_HOLE);
  EXPECT_EQ(number("appended"), before + 3);
}

TEST_F(NbdControl, WatermarksFollowTheClient) {
  serve();
  NbdClient client(server->uri("vm1"));
  for (std::uint64_t i = 0; i < 10; i++) client.write(i * 4096, pattern(4096, i));
  EXPECT_EQ(number("appended"), 10u);
  client.flush();
  EXPECT_GE(number("durable"), 10u);
  const CommandResult flushed = tlogctl({"flush"});
  EXPECT_TRUE(flushed.ok()) << flushed.text();
  EXPECT_GE(number("stored"), 10u);
  EXPECT_EQ(number("writes"), 10u);
  const CommandResult marked = tlogctl({"mark", "before-upgrade"});
  EXPECT_TRUE(marked.ok()) << marked.text();
}

// What a store has lost or changed is found, said with exit code 3, and brought back while the
// vdisk serves.
TEST_F(NbdControl, ScrubFindsWhatAStoreLostAndRepairBringsItBack) {
  serve();
  {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t i = 0; i < 200; i++) client.write(i * 4096, pattern(4096, i));
    ASSERT_TRUE(tlogctl({"flush"}).ok());
    const CommandResult clean = tlogctl({"scrub", "--deep"});
    EXPECT_TRUE(clean.ok()) << clean.text();
  }
  // A directory comes back empty, as after the exchange of a disk.
  ASSERT_EQ(server->stop(), 0);
  std::filesystem::remove_all(site->file("log/2"));
  std::filesystem::create_directory(site->file("log/2"));
  start();
  NbdClient again(server->uri("vm1"));
  again.write(0, pattern(4096, 7));
  ASSERT_TRUE(tlogctl({"flush"}).ok());
  const CommandResult repaired = tlogctl({"repair"});
  EXPECT_TRUE(repaired.ok()) << repaired.text();
  const CommandResult deep = tlogctl({"scrub", "--deep"});
  EXPECT_TRUE(deep.ok()) << deep.text();
  EXPECT_EQ(number("missingShards"), 0u);
  EXPECT_EQ(again.read(4096, 4096), pattern(4096, 1));
}

TEST_F(NbdControl, SocketIsItsOwners) {
  serve();
  struct stat found {};
  ASSERT_EQ(stat(site->file("control.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  ASSERT_EQ(server->stop(), 0);
  EXPECT_NE(stat(site->file("control.sock").c_str(), &found), 0) << "left behind";
}

TEST_F(NbdControl, NoneIsNone) {
  site = std::make_unique<Site>();
  start({}, {"control=none"});
  NbdClient client(server->uri("vm1"));
  struct stat found {};
  EXPECT_NE(stat(site->file("control.sock").c_str(), &found), 0);
  EXPECT_FALSE(tlogctl({"status"}).ok());
}

// As the systemd units run them: one process per vdisk, one configuration, one tlogctl.
TEST_F(NbdControl, OneProcessPerVdisk) {
  SiteOptions options;
  options.vdisks = {{"vm1", 16, false, "", ""}, {"vm2", 16, false, "", ""}};
  site = std::make_unique<Site>(options);
  start({}, {"vdisk=vm1"});
  NbdkitOptions second = site->nbdkit();
  second.name = "second";
  second.parameters.push_back("vdisk=vm2");
  auto other = NbdkitServer::start(second);
  ASSERT_TRUE(other) << other.error().message();
  NbdClient one(server->uri());
  NbdClient two((*other)->uri());
  one.write(0, pattern(4096, 1), LIBNBD_CMD_FLAG_FUA);
  two.write(0, pattern(4096, 2), LIBNBD_CMD_FLAG_FUA);
  const CommandResult status = tlogctl({"status"});
  EXPECT_TRUE(status.ok()) << status.text();
  EXPECT_NE(status.output.find("vm1"), std::string::npos) << status.output;
  EXPECT_NE(status.output.find("vm2"), std::string::npos) << status.output;
  (*other)->kill();
  one.write(4096, pattern(4096, 3), LIBNBD_CMD_FLAG_FUA);
  EXPECT_EQ(one.read(0, 4096), pattern(4096, 1));
}

TEST_F(NbdControl, key_is_nowhere) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(4096, 1), LIBNBD_CMD_FLAG_FUA);
  for (const CommandResult& answer :
       {tlogctl({"status"}), tlogctl({"status", "--json"}), tlogctl({"flush"}),
        tlogctl({"mark", "m"}), tlogctl({"check-config", site->config_path()})}) {
    EXPECT_TRUE(answer.ok()) << answer.text();
    EXPECT_EQ(answer.text().find(site->key_hex()), std::string::npos) << answer.text();
  }
}

TEST_F(NbdControl, AMarkOfAVdiskThatWasNeverWrittenCreatesNothing) {
  serve();
  const CommandResult mark = tlogctl({"mark", "vm1", "too early"});
  EXPECT_EQ(mark.exit_code, 1) << mark.text();
  EXPECT_NE(mark.error.find("vm1"), std::string::npos) << mark.text();
  EXPECT_FALSE(std::filesystem::exists(site->file("blocks/vm1")));
}

// The process that binds the socket ends when nbdkit goes into the background; its child listens.
TEST_F(NbdControl, TheSocketOutlivesTheForkAndGoesWithTheServer) {
  site = std::make_unique<Site>();
  const std::string socket = site->file("control-vm1.sock");
  const CommandResult started =
      run_nbdkit({"-U", site->file("nbd.sock"), "-P", site->file("nbd.pid"), plugin_path(),
                  "config=" + site->config_path(), "vdisk=vm1"});
  ASSERT_EQ(started.exit_code, 0) << started.text();
  // Written by the child, perhaps after the parent has ended.
  auto pid_in_file = [&] { return std::atoi(read_text(site->file("nbd.pid")).c_str()); };
  ASSERT_TRUE(wait_until([&] { return pid_in_file() > 0; }, Milliseconds(30'000)));
  EndOfProcess child{pid_in_file()};
  EXPECT_TRUE(tlogctl({"status", "vm1"}).ok());
  const std::filesystem::perms mode = std::filesystem::status(socket).permissions();
  EXPECT_EQ(static_cast<unsigned>(mode), 0600u);
  ASSERT_EQ(::kill(child.pid, SIGTERM), 0);
  ASSERT_TRUE(wait_for_end_of(child.pid, Milliseconds(60'000)));
  child.pid = 0;
  EXPECT_FALSE(std::filesystem::exists(socket));
}

TEST_F(NbdControl, ASocketOfACrashIsReplaced) {
  serve();
  server->kill();
  EXPECT_TRUE(std::filesystem::exists(site->file("control.sock")));
  EXPECT_EQ(tlogctl({"status"}).exit_code, 1);
  start();
  EXPECT_TRUE(tlogctl({"status"}).ok());
}

}  // namespace
}  // namespace tlog::testing
