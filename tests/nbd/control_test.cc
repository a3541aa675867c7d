// A served vdisk as tlogctl sees it.
#include <libnbd.h>
#include <sys/stat.h>

#include <cstdlib>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

class NbdControl : public Serving {
 protected:
  CommandResult tlogctl(std::vector<std::string> words) const {
    std::vector<std::string> arguments = {TLOG_TLOGCTL, "--config", site->config_path()};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_command(arguments);
  }
  // A number of `tlogctl status --json vm1`.
  std::uint64_t number(const std::string& name) const {
    const CommandResult status = tlogctl({"status", "--json", "vm1"});
    EXPECT_TRUE(status.ok()) << status.text();
    const std::string key = "\"" + name + "\":";
    const std::size_t at = status.output.find(key);
    EXPECT_NE(at, std::string::npos) << name << " in " << status.output;
    if (at == std::string::npos) return 0;
    return std::strtoull(status.output.c_str() + at + key.size(), nullptr, 10);
  }
};

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

}  // namespace
}  // namespace tlog::testing
