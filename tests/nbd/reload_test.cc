// Goal: a running server goes on with a configuration that has changed, by itself and when told;
// never with half of one, never with a bad one, and it says why not.
#include <gmock/gmock.h>
#include <libnbd.h>

#include <filesystem>

#include "tests/nbd/controlled.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Milliseconds kSoon{30'000};

class NbdReload : public Controlled {
 protected:
  SiteOptions with_tlog(const std::string& tlog) {
    SiteOptions options;
    options.tlog = tlog;
    return options;
  }
  bool is_generation(std::uint64_t generation) {
    return wait_until([&] { return number("configGeneration") == generation; }, kSoon);
  }
};

TEST_F(NbdReload, a_changed_file_is_taken_over_by_itself) {
  serve({}, with_tlog("cluster: local, flushTime: 1h, flushSize: 1000"));
  NbdClient client(server->uri("vm1"));
  EXPECT_EQ(number("configGeneration"), 1u);
  for (std::uint64_t i = 0; i < 10; ++i) client.write(i * 4096, pattern(4096, i));
  client.flush();
  site->configure(with_tlog("cluster: local, flushTime: 50ms, flushSize: 1000"));
  EXPECT_TRUE(is_generation(2));
  // With the old time nothing would be stored for an hour.
  EXPECT_TRUE(wait_until([&] { return number("stored") >= 10; }, kSoon));
  EXPECT_EQ(client.read(4096, 4096), pattern(4096, 1));
}

TEST_F(NbdReload, flush_size_changes_while_clients_write) {
  serve({}, with_tlog("cluster: local, flushTime: 1h, flushSize: 1000"));
  NbdClient client(server->uri("vm1"));
  for (std::uint64_t i = 0; i < 10; ++i) client.write(i * 4096, pattern(4096, i));
  client.flush();
  site->configure(with_tlog("cluster: local, flushTime: 1h, flushSize: 5"));
  const CommandResult reload = tlogctl({"reload"});
  EXPECT_TRUE(reload.ok()) << reload.text();
  EXPECT_TRUE(wait_until([&] { return number("stored") >= 10; }, kSoon));
}

TEST_F(NbdReload, tlogctl_reload_tells_what_has_changed) {
  serve();
  SiteOptions options;
  options.tlog = "cluster: local, flushTime: 700ms, stallTimeout: 9s";
  options.vdisks[0].description = "the first";
  site->configure(options);
  // The watching may have been quicker; then there is nothing left to do.
  const CommandResult reload = tlogctl({"reload"});
  EXPECT_TRUE(reload.ok()) << reload.text();
  EXPECT_THAT(reload.output, HasSubstr("generation 2"));
  if (reload.output.find("nothing was different") == std::string::npos) {
    EXPECT_THAT(reload.output, HasSubstr("vdisks.vm1.tlog.flushTime: 500ms -> 700ms"));
    EXPECT_THAT(reload.output, HasSubstr("vdisks.vm1.tlog.stallTimeout: 30s -> 9s"));
  }
  const CommandResult again = tlogctl({"reload"});
  EXPECT_TRUE(again.ok()) << again.text();
  EXPECT_THAT(again.output, HasSubstr("generation 2, nothing was different"));
  const CommandResult status = tlogctl({"status"});
  EXPECT_THAT(status.output, HasSubstr("generation 2 since 20"));
}

TEST_F(NbdReload, a_bad_file_keeps_the_old_configuration_until_it_is_mended) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(4096, 1));
  const std::string good = read_text(site->config_path());
  write_text(site->config_path(), good + "tlogg: {}\n");
  const CommandResult refused = tlogctl({"reload"});
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error, HasSubstr("tlogdisk.yml:8:1: tlogg: unknown key"));
  // The status comes through a file that says nothing good.
  const CommandResult status = tlogctl({"status"});
  EXPECT_TRUE(status.ok()) << status.text();
  EXPECT_THAT(status.output, HasSubstr("generation 1 since"));
  EXPECT_THAT(status.output, HasSubstr("not taken over, 20"));
  EXPECT_THAT(status.output, HasSubstr("tlogdisk.yml:8:1: tlogg: unknown key"));
  client.write(4096, pattern(4096, 2), LIBNBD_CMD_FLAG_FUA);
  EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));
  EXPECT_THAT(server->log(), HasSubstr("event=config_refused"));

  write_text(site->config_path(), good);
  EXPECT_TRUE(wait_until([&] { return !status_says("not taken over"); }, kSoon));
  EXPECT_EQ(number("configGeneration"), 1u) << "it is the one that was in effect all the time";
}

TEST_F(NbdReload, a_file_that_is_gone_is_said_and_comes_back) {
  serve();
  const std::string good = read_text(site->config_path());
  std::filesystem::remove(site->config_path());
  const std::string socket = site->file("control.sock");
  auto status = [&] { return run_command({TLOG_TLOGCTL, "--socket", socket, "status"}); };
  EXPECT_TRUE(wait_until(
      [&] { return status().output.find("not taken over") != std::string::npos; }, kSoon));
  write_text(site->config_path(), good);
  EXPECT_TRUE(wait_until(
      [&] { return status().output.find("not taken over") == std::string::npos; }, kSoon));
}

// With every reason, and without the part of it that could have been done.
TEST_F(NbdReload, what_cannot_change_is_refused_with_every_reason) {
  serve();
  SiteOptions options;
  options.tlog = "cluster: local, flushTime: 1ms, dataShards: 3";
  options.vdisks[0].size_mib = 128;
  options.vdisks.push_back({"vm2", 16, false, ""});
  options.journal_mib = 64;
  site->configure(options);
  const CommandResult refused = tlogctl({"reload"});
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error, HasSubstr("vdisks.vm1.size: the vdisk was created with 64MiB"));
  EXPECT_THAT(refused.error, HasSubstr("vdisks.vm1.tlog.dataShards: the vdisk was created with 4"));
  EXPECT_THAT(refused.error, HasSubstr("vdisks.vm2: is new"));
  EXPECT_THAT(refused.error, HasSubstr("journal.size: is 32MiB while vdisks are served"));
  EXPECT_THAT(refused.error, HasSubstr("tlogdisk.yml:5:"));
  EXPECT_EQ(number("configGeneration"), 1u);
  EXPECT_TRUE(status_says("vdisks.vm2: is new"));
  // One line for people who search the log, with all of it.
  const std::string log = server->log();
  const std::size_t at = log.find("event=config_refused");
  ASSERT_NE(at, std::string::npos) << log;
  EXPECT_THAT(log.substr(at, log.find('\n', at) - at), HasSubstr("vdisks.vm2: is new"));
}

// An editor's rename, and a ConfigMap's exchange of links.
TEST_F(NbdReload, a_renamed_file_and_an_exchanged_link_are_seen) {
  site = std::make_unique<Site>();
  auto version = [&](const std::string& name, const std::string& tlog) {
    site->configure(with_tlog("cluster: local, " + tlog));
    std::filesystem::create_directory(site->file(name));
    std::filesystem::rename(site->config_path(), site->file(name) + "/tlogdisk.yml");
  };
  auto point_to = [&](const std::string& name) {
    std::filesystem::create_symlink(name, site->file("..new"));
    std::filesystem::rename(site->file("..new"), site->file("..data"));
  };
  version("..1", "flushTime: 1s");
  version("..2", "flushTime: 2s");
  point_to("..1");
  std::filesystem::create_symlink("..data/tlogdisk.yml", site->config_path());
  start();
  EXPECT_EQ(number("configGeneration"), 1u);
  point_to("..2");
  EXPECT_TRUE(is_generation(2));
  point_to("..1");
  EXPECT_TRUE(is_generation(3));
  version("..3", "flushTime: 3s");  // renames a plain file away from the link's place
  std::filesystem::rename(site->file("..3") + "/tlogdisk.yml", site->config_path());
  EXPECT_TRUE(is_generation(4));
}

TEST_F(NbdReload, log_level_changes_while_it_runs) {
  serve();
  NbdClient client(server->uri("vm1"));
  EXPECT_THAT(server->log(), Not(HasSubstr("info: event=")));
  const std::string before = read_text(site->config_path());
  write_text(site->config_path(), "logLevel: info\n" + before);
  EXPECT_TRUE(is_generation(2));
  const CommandResult mark = tlogctl({"mark", "vm1", "shown"});
  EXPECT_TRUE(mark.ok()) << mark.text();
  EXPECT_TRUE(wait_until(
      [&] { return server->log().find("info: event=mark vdisk=vm1") != std::string::npos; },
      kSoon));
}

// One process serves vm1 only: what becomes of vm2 in the file is not its business.
TEST_F(NbdReload, another_process_s_vdisk_may_come_and_go) {
  site = std::make_unique<Site>();
  start({}, {"vdisk=vm1"});
  SiteOptions options;
  options.vdisks.push_back({"vm2", 16, false, ""});
  options.tlog = "cluster: local, flushTime: 2s";
  site->configure(options);
  EXPECT_TRUE(is_generation(2));
  EXPECT_FALSE(status_says("not taken over"));
}

// nbdkit answers clients before its plugin watches the file: what happens in between is seen too.
TEST_F(NbdReload, a_change_during_the_start_is_not_missed) {
  site = std::make_unique<Site>();
  for (unsigned round = 0; round < 5; ++round) {
    site->configure(with_tlog("cluster: local, flushTime: 500ms"));
    start();
    site->configure(with_tlog("cluster: local, flushTime: 700ms"));
    // Sooner than the file is looked at in any case.
    EXPECT_TRUE(wait_until([&] { return number("configGeneration") == 2; }, Milliseconds(15'000)));
    ASSERT_EQ(server->stop(), 0);
  }
}

// What the command line says goes before the file, also after a reload.
TEST_F(NbdReload, the_command_line_goes_before_the_file) {
  site = std::make_unique<Site>();
  std::filesystem::copy_file(site->file("tlogdisk.key"), site->file("other.key"));
  std::filesystem::permissions(site->file("other.key"), std::filesystem::perms(0600));
  start({}, {"key-file=" + site->file("other.key"), "io=posix"});
  SiteOptions options;
  options.tlog = "cluster: local, flushTime: 2s";
  site->configure(options);
  EXPECT_TRUE(is_generation(2));
}

}  // namespace
}  // namespace tlog::testing
