// Goal: a server whose configuration is kept in etcd starts from it, follows it, and goes on
// without it.
#include <gmock/gmock.h>
#include <libnbd.h>

#include <filesystem>

#include "tests/nbd/controlled.h"
#include "tests/support/etcd_server.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

constexpr Milliseconds kSoon{60'000};
constexpr char kKey[] = "tlogdisk/site.yml";

class NbdReloadEtcd : public Controlled {
 protected:
  void SetUp() override {
    if (!EtcdServer::available()) GTEST_SKIP() << "no etcd";
    etcd = std::make_unique<EtcdServer>();
    site = std::make_unique<Site>();
    text = read_text(site->config_path());
    etcd->put(kKey, text);
    write_text(site->config_path(), "configSource: " + etcd->url(kKey) + "\n");
  }
  std::string with_flush_time(const std::string& time) const {
    std::string changed = text;
    const std::string from = "flushTime: 500ms";
    return changed.replace(changed.find(from), from.size(), "flushTime: " + time);
  }
  bool is_generation(std::uint64_t generation) {
    return wait_until([&] { return number("configGeneration") == generation; }, kSoon);
  }
  // Also while etcd is away: only the socket is needed then.
  std::string status() const {
    return run_command({TLOG_TLOGCTL, "--socket", site->file("control.sock"), "status"}).output;
  }
  bool status_gets(const std::string& words, bool there) const {
    return wait_until([&] { return (status().find(words) != std::string::npos) == there; }, kSoon);
  }

  std::unique_ptr<EtcdServer> etcd;
  std::string text;
};

TEST_F(NbdReloadEtcd, it_is_served_from_and_followed) {
  start();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(4096, 1), LIBNBD_CMD_FLAG_FUA);
  EXPECT_THAT(status(), HasSubstr(etcd->url(kKey)));
  etcd->put(kKey, with_flush_time("700ms"));
  EXPECT_TRUE(is_generation(2));
  etcd->put(kKey, text + "tlogg: {}\n");
  EXPECT_TRUE(status_gets(etcd->url(kKey) + ":8:1: tlogg: unknown key", true)) << status();
  etcd->put(kKey, with_flush_time("800ms"));
  EXPECT_TRUE(is_generation(3));
  EXPECT_TRUE(status_gets("not taken over", false)) << status();
  const CommandResult reload = tlogctl({"reload"});
  EXPECT_TRUE(reload.ok()) << reload.text();
  EXPECT_THAT(reload.output, HasSubstr("generation 3, nothing was different"));
  EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));
}

TEST_F(NbdReloadEtcd, one_that_is_away_at_the_start_is_named) {
  etcd->kill();
  const CommandResult failed = run_nbdkit(
      {"-f", "-U", site->file("nbd.sock"), plugin_path(), "config=" + site->config_path()});
  EXPECT_NE(failed.exit_code, 0);
  EXPECT_THAT(failed.error, HasSubstr(etcd->url(kKey) + ": http://" + etcd->address()));
}

TEST_F(NbdReloadEtcd, one_that_goes_away_later_is_said_and_waited_for) {
  start();
  NbdClient client(server->uri("vm1"));
  etcd->kill();
  EXPECT_TRUE(status_gets("not taken over", true)) << status();
  EXPECT_THAT(status(), HasSubstr(etcd->address()));
  client.write(0, pattern(4096, 2), LIBNBD_CMD_FLAG_FUA);
  EXPECT_EQ(client.read(0, 4096), pattern(4096, 2));
  etcd->start();
  EXPECT_TRUE(status_gets("not taken over", false)) << status();
  etcd->put(kKey, with_flush_time("700ms"));
  EXPECT_TRUE(is_generation(2));
}

TEST_F(NbdReloadEtcd, a_url_does_without_a_local_file) {
  std::string absolute = text;
  const std::string file = site->directory() + "/";
  for (const char* name : {"tlogdisk.key", "log/", "blocks/"}) {
    for (std::size_t at = 0; (at = absolute.find(name, at)) != std::string::npos;) {
      absolute.insert(at, file);
      at += file.size() + 1;
    }
  }
  absolute.replace(absolute.find("journal: {directory: journal"), 28,
                   "journal: {directory: " + file + "journal");
  absolute.replace(absolute.find("arenaDirectory: arena"), 21, "arenaDirectory: " + file + "arena");
  absolute += "controlSocket: " + file + "control.sock\n";
  etcd->put(kKey, absolute);
  std::filesystem::remove(site->config_path());
  NbdkitOptions options = site->nbdkit();
  options.parameters = {"config=" + etcd->url(kKey)};
  auto started = NbdkitServer::start(options);
  ASSERT_TRUE(started) << started.error().message();
  server = *std::move(started);
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(4096, 3), LIBNBD_CMD_FLAG_FUA);
  const std::vector<std::string> by_url = {TLOG_TLOGCTL, "--config", etcd->url(kKey)};
  auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), by_url.begin(), by_url.end());
    return run_command(words);
  };
  EXPECT_THAT(run({"check-config"}).output, HasSubstr(etcd->url(kKey) + ": ok (1 vdisk"));
  EXPECT_THAT(run({"status"}).output, HasSubstr("vdisk vm1: serving"));
  EXPECT_THAT(run({"reload"}).output, HasSubstr("generation 1, nothing was different"));
}

}  // namespace
}  // namespace tlog::testing
