// Goal: `tlogctl takeover` as an operator uses it: a vdisk moves to another host with everything
// that its clients have flushed, while the server before still runs; that one's clients get errors,
// and its next start names the host that has it. Method: two sites with one key on six real
// servers.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/nbd/controlled.h"
#include "tests/support/redis_server.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

class NbdTakeover : public Controlled {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
    fleet = std::make_unique<RedisFleet>(6);
  }
  SiteOptions options() const {
    SiteOptions site_options;
    site_options.clusters = "  six: {servers: [";
    for (const std::string& address : fleet->addresses()) {
      site_options.clusters += "{address: \"" + address + "\"}, ";
    }
    site_options.clusters += "]}\n";
    site_options.tlog = "cluster: six, durability: cluster, flushTime: 200ms";
    return site_options;
  }
  CommandResult tlogctl_of(const Site& host, std::vector<std::string> words) const {
    std::vector<std::string> arguments = {TLOG_TLOGCTL, "--config", host.config_path()};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_command(arguments);
  }

  std::unique_ptr<RedisFleet> fleet;
};

TEST_F(NbdTakeover, a_vdisk_moves_to_another_host_with_all_that_was_flushed) {
  serve({}, options());
  Site second(options());
  std::filesystem::copy_file(site->file("tlogdisk.key"), second.file("tlogdisk.key"),
                             std::filesystem::copy_options::overwrite_existing);
  NbdClient client(server->uri("vm1"));
  for (std::uint64_t i = 0; i < 100; ++i) client.write(i * 4096, pattern(4096, i));
  client.flush();

  const CommandResult taken = tlogctl_of(second, {"takeover", "vm1"});
  ASSERT_TRUE(taken.ok()) << taken.text();
  EXPECT_THAT(taken.output, HasSubstr("this host has it now, as epoch 2, with everything up to "
                                      "sequence 100"));
  ASSERT_TRUE(
      wait_until([&] { return status_says("taken the vdisk over"); }, Milliseconds(20'000)));
  EXPECT_THROW(client.write(0, pattern(4096, 999)), std::runtime_error);

  auto other = NbdkitServer::start(second.nbdkit());
  ASSERT_TRUE(other) << other.error().message();
  {
    NbdClient reader((*other)->uri("vm1"));
    for (std::uint64_t i = 0; i < 100; ++i) {
      ASSERT_EQ(reader.read(i * 4096, 4096), pattern(4096, i)) << i;
    }
    reader.write(0, pattern(4096, 1000));
    reader.flush();
  }
  server->kill();
  auto again = NbdkitServer::start(site->nbdkit());
  if (again) {
    EXPECT_THROW(NbdClient((*again)->uri("vm1")), std::runtime_error);
    EXPECT_THAT((*again)->log(), HasSubstr("took it over in epoch"));
    (*again)->kill();
  } else {
    EXPECT_THAT(again.error().message(), HasSubstr("took it over in epoch"));
  }
  EXPECT_EQ((*other)->stop(), 0);
}

TEST_F(NbdTakeover, what_cannot_be_taken_over_is_refused_with_the_reason) {
  serve({}, options());
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(4096, 1));
    client.flush();
  }
  CommandResult refused = tlogctl({"takeover", "vm1"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.text(), HasSubstr("takeover: vdisk 'vm1'"));
  EXPECT_EQ(server->stop(), 0);
  refused = tlogctl({"takeover", "vm1"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.text(), HasSubstr("nothing to take over"));
  EXPECT_EQ(tlogctl({"takeover", "nobody"}).exit_code, 1);
  EXPECT_EQ(tlogctl({"takeover"}).exit_code, 2);

  // Too few servers to know anything.
  Site second(options());
  std::filesystem::copy_file(site->file("tlogdisk.key"), second.file("tlogdisk.key"),
                             std::filesystem::copy_options::overwrite_existing);
  for (std::size_t i = 0; i < 3; ++i) (*fleet)[i].kill();
  refused = tlogctl_of(second, {"takeover", "vm1"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.text(), HasSubstr((*fleet)[0].address()));
  EXPECT_FALSE(std::filesystem::exists(second.file("blocks/vm1")));
}

}  // namespace
}  // namespace tlog::testing
