// Goal: fio, which verifies what it has written, does not notice that the primary of its disk dies;
// another host goes on from the standby with all that was flushed. Method: nbdkit with the plugin
// and `durability: cluster`, real redis-servers for the log, the primary and the standby, killed
// with SIGKILL.
#include <gmock/gmock.h>

#include <filesystem>
#include <future>

#include "tests/nbd/on_fleet.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

class NbdStandbyTakeover : public OnFleet {
 protected:
  void SetUp() override {
    OnFleet::SetUp();
    if (IsSkipped()) return;
    primary = std::make_unique<RedisFleet>(3, kept);
    standby = std::make_unique<RedisFleet>(3, kept);
    blocks = primary->addresses();
    serve({"-t", "64"}, with_standby());
    NbdClient(server->uri("vm1")).flush();  // it is opened, for writing
    succeed({"wait-slave-sync", "vm1"});
  }
  SiteOptions with_standby() const {
    SiteOptions site_options = options();
    site_options.clusters += list("s", standby->addresses());
    site_options.vdisks[0].more = ", slaveStorage: {cluster: s, failoverAfter: 500ms}";
    site_options.tlog += ", slaveSync: true, durability: cluster";
    return site_options;
  }
  static void kill_all(RedisFleet& servers) {
    for (std::size_t i = 0; i < servers.size(); ++i) servers[i].kill();
  }
  static void start_all(RedisFleet& servers) {
    for (std::size_t i = 0; i < servers.size(); ++i) servers[i].start();
  }
  void succeed(std::vector<std::string> words) const {
    const CommandResult done = tlogctl(std::move(words));
    EXPECT_TRUE(done.ok()) << done.text();
  }
  bool is_on_standby() const {
    return wait_until([&] { return status_says("gone over to cluster 's'"); }, kSoon);
  }
  // Random writes of all of the range, each block with its checksum, and then read; or only that.
  CommandResult fio(const std::string& how) const {
    return run_command({"fio", "--name=standby", "--ioengine=nbd", "--uri=" + server->uri("vm1"),
                        "--rw=randwrite", "--bs=4k", "--iodepth=8", "--size=16m", "--randseed=7",
                        "--fsync=64", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1", how},
                       {.environment = {}, .directory = site->directory(), .timeout = 2 * kSoon});
  }

  std::unique_ptr<RedisFleet> primary;
  std::unique_ptr<RedisFleet> standby;
};

TEST_F(NbdStandbyTakeover, fio_does_not_notice_that_the_primary_dies) {
  if (!has_program("fio")) GTEST_SKIP() << "no fio";
  auto client = std::async(std::launch::async, [&] { return fio("--rate_iops=800"); });
  const bool writes = wait_until([&] { return number("appended") > 500; }, kSoon);
  kill_all(*primary);
  const bool is_over = is_on_standby();
  const std::uint64_t written = number("appended");
  const CommandResult verified = client.get();
  EXPECT_TRUE(verified.ok()) << verified.text();
  EXPECT_TRUE(writes);
  EXPECT_TRUE(is_over);
  EXPECT_LT(written, 4096U) << "it had written all before";
  EXPECT_TRUE(status_says("0 acknowledged writes lost"));

  // The way back, and everything is there, too.
  start_all(*primary);
  succeed({"resync", "vm1"});
  succeed({"failback", "vm1"});
  const CommandResult again = fio("--verify_only=1");
  EXPECT_TRUE(again.ok()) << again.text();
}

// The first host dies after the vdisk has gone over: the second one goes on from the standby.
TEST_F(NbdStandbyTakeover, another_host_takes_over_what_has_failed_over) {
  auto other = std::make_unique<Site>(with_standby());
  std::filesystem::copy_file(site->file("tlogdisk.key"), other->file("tlogdisk.key"),
                             std::filesystem::copy_options::overwrite_existing);
  write_all(1000);
  kill_all(*primary);
  ASSERT_TRUE(is_on_standby());
  write_all(2000);
  server->kill();

  std::swap(site, other);
  const CommandResult taken = tlogctl({"takeover", "vm1"});
  ASSERT_TRUE(taken.ok()) << taken.text();
  EXPECT_THAT(taken.output, HasSubstr("this host has it now"));
  start({"-t", "64"});
  EXPECT_TRUE(all_there(2000)) << "at once: a client that reconnects sees no error";
  EXPECT_TRUE(status_says("'b' follows 's'")) << tlogctl({"status"}).text();

  // And brings the primary up to date when it is there again.
  start_all(*primary);
  write_all(3000);
  succeed({"wait-slave-sync", "vm1"});
  succeed({"failback", "vm1"});
  EXPECT_TRUE(all_there(3000));
  EXPECT_EQ(server->stop(), 0);
}

}  // namespace
}  // namespace tlog::testing
