// Goal: `tlogctl cluster replace` never ends well with less than everything on the new server,
// never loses what a vdisk has while it works or when it is interrupted, never changes another byte
// of the file, and never does what is not safe.
// Method: real servers are replaced, live and dead, at rest, under writes, and with nbdkit killed
// in the middle; then two OTHER servers go, so that what is restored rests on the new one's shards.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "tests/nbd/on_fleet.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class NbdClusterReplace : public OnFleet {
 protected:
  void begin() {
    serve({"-t", "64"}, options());
    // What people write beside it must stay.
    text = "# our servers\n" + read_text(site->config_path()) + "# the end\n";
    write_text(site->config_path(), text);
    std::filesystem::permissions(site->config_path(), std::filesystem::perms(0640));
    write_all(1);
    ASSERT_TRUE(all_up()) << tlogctl({"status"}).output;
  }
  CommandResult replace(const std::string& cluster, const std::string& from, const std::string& to,
                        std::vector<std::string> more = {"--yes"}) {
    std::vector<std::string> words = {"cluster", "replace", cluster, from, to};
    words.insert(words.end(), more.begin(), more.end());
    return tlogctl(words);
  }
  // The text is what it was, with the one address instead of the other.
  void file_says(const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, from.size(), to);
    EXPECT_EQ(read_text(site->config_path()), text);
    EXPECT_EQ(std::filesystem::status(site->config_path()).permissions(),
              std::filesystem::perms(0640));
  }
  // What the log gives when these two servers are gone, too.
  Bytes restored_without(std::size_t one, std::size_t other) {
    EXPECT_TRUE(tlogctl({"flush"}).ok());
    EXPECT_EQ(server->stop(), 0);
    (*fleet)[one].kill();
    (*fleet)[other].kill();
    const std::string image = site->file("restored");
    const CommandResult restore = run_command({TLOG_TLOGPLAY, "--config", site->config_path(),
                                               "--quiet", "restore", "vm1", "--to", image});
    EXPECT_TRUE(restore.ok()) << restore.text();
    const std::string bytes = read_text(image);
    const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
    return Bytes(begin, begin + bytes.size());
  }
  void restores_without(std::size_t one, std::size_t other, std::uint64_t seed) {
    const Bytes image = restored_without(one, other);
    ASSERT_GE(image.size(), kBlocks * 4096);
    for (std::uint64_t i = 0; i < kBlocks; ++i) {
      const auto at = image.begin() + static_cast<std::ptrdiff_t>(i * 4096);
      ASSERT_EQ(Bytes(at, at + 4096), pattern(4096, seed + i)) << "block " << i;
    }
  }
  bool is_marked(RedisServer& new_server) {
    return new_server.command({"EXISTS", "tlog:vm1:ctl"}) == "1";
  }
  // Refused, for this reason, and nothing has changed.
  void expect_refused(const CommandResult& refused, const std::string& reason) {
    EXPECT_EQ(refused.exit_code, 1) << refused.text();
    EXPECT_THAT(refused.error, HasSubstr(reason));
    EXPECT_EQ(read_text(site->config_path()), text);
    EXPECT_TRUE(status_says(addresses[2]));
  }

  std::string text;
};

TEST_F(NbdClusterReplace, a_live_server) {
  begin();
  RedisServer fresh(kept);
  const CommandResult trial = replace("c", addresses[2], fresh.address(), {"--dry-run"});
  EXPECT_TRUE(trial.ok()) << trial.text();
  EXPECT_THAT(trial.output, HasSubstr("shards of its log, about "));
  EXPECT_THAT(trial.output, HasSubstr("clusters.c.servers.2.address"));
  EXPECT_EQ(read_text(site->config_path()), text);
  EXPECT_EQ(fresh.command({"DBSIZE"}), "0");

  const CommandResult replaced = replace("c", addresses[2], fresh.address());
  ASSERT_TRUE(replaced.ok()) << replaced.text();
  EXPECT_THAT(replaced.output, HasSubstr("vdisk vm1 (log): " + fresh.address() + " is whole"));
  file_says(addresses[2], fresh.address());
  EXPECT_TRUE(tlogctl({"cluster", "status"}).ok()) << "whole is whole";
  (*fleet)[2].kill();
  write_all(1000);
  scrub_is_clean();
  EXPECT_THAT(server->log(), Not(HasSubstr("mismatch")));

  // Once more the same: there is nothing left to do.
  const CommandResult again = replace("c", addresses[2], fresh.address(), {"--yes", "--json"});
  EXPECT_TRUE(again.ok()) << again.text();
  EXPECT_THAT(again.output, HasSubstr("\"written\": false"));
  EXPECT_THAT(again.output, HasSubstr("\"whole\": true"));
  EXPECT_EQ(read_text(site->config_path()), text);
  restores_without(0, 5, 1000);
}

TEST_F(NbdClusterReplace, a_dead_server_and_a_second_vdisk_that_is_closed) {
  SiteOptions two = options();
  two.vdisks.emplace_back().name = "vm2";
  site = std::make_unique<Site>(two);
  start({"-t", "64"});
  write_all(1);
  {
    NbdClient client(server->uri("vm2"));
    for (std::uint64_t i = 0; i < kBlocks; ++i) client.write(i * 4096, pattern(4096, 7 + i));
    client.flush();
  }
  EXPECT_EQ(server->stop(), 0);
  start({"-t", "64"});
  (*fleet)[4].kill();
  { NbdClient only_the_first(server->uri("vm1")); }
  RedisServer fresh(kept);
  const CommandResult replaced = replace("c", addresses[4], fresh.address());
  ASSERT_TRUE(replaced.ok()) << replaced.text();
  for (const char* vdisk : {"vm1", "vm2"}) {
    EXPECT_THAT(replaced.output,
                HasSubstr(std::string("vdisk ") + vdisk + " (log): " + fresh.address()));
    const CommandResult scrub = tlogctl({"scrub", vdisk, "--deep"});
    EXPECT_TRUE(scrub.ok()) << scrub.text();
  }
  EXPECT_THAT(read_text(site->config_path()), HasSubstr(fresh.address()));
  EXPECT_THAT(read_text(site->config_path()), Not(HasSubstr(addresses[4])));
}

// A client writes all the time; the server of the vdisk is killed when the new server has got its
// mark and not much more, and started again.
TEST_F(NbdClusterReplace, under_writes_with_a_crash_in_the_middle) {
  begin();
  const std::string uri = server->uri("vm1");
  constexpr std::uint64_t kSpread = 1000;
  std::map<std::uint64_t, std::uint64_t> model;  // of the writer until it has ended: block -> seed
  std::atomic<bool> enough{false};
  std::atomic<std::uint64_t> written{0};
  std::atomic<bool> given_up{false};
  std::thread writer([&] {
    std::unique_ptr<NbdClient> client;
    for (std::uint64_t seed = 5000; !enough; ++seed) {
      const std::uint64_t block = seed * 7919 % kSpread;
      // What was not answered is written again, so that it does not matter whether it was done.
      const bool done = wait_until(
          [&] {
            try {
              if (!client) client = std::make_unique<NbdClient>(uri);
              client->write(block * 4096, pattern(4096, seed));
              return true;
            } catch (const std::runtime_error&) {
              client.reset();
              return false;
            }
          },
          kSoon);
      if (!done) {
        given_up = true;
        return;
      }
      model[block] = seed;
      ++written;
    }
  });
  EXPECT_TRUE(wait_until([&] { return written > 2000; }, kSoon));

  RedisServer fresh(kept);
  ProcessOptions command;
  command.arguments = {TLOG_TLOGCTL, "--config",   site->config_path(), "cluster", "replace",
                       "c",          addresses[3], fresh.address(),     "--yes"};
  command.output_path = site->file("replace.out");
  Process replacing(command);
  EXPECT_TRUE(wait_until([&] { return is_marked(fresh); }, kSoon))
      << read_text(command.output_path);
  server->kill();
  start({"-t", "64"});
  const std::uint64_t before = written;
  const auto code = replacing.wait(Milliseconds(180'000));
  // An answer that did not come because its server was killed is for the operator to repeat.
  EXPECT_TRUE(code && (*code == 0 || *code == 1)) << read_text(command.output_path);
  const CommandResult again = replace("c", addresses[3], fresh.address());
  EXPECT_TRUE(again.ok()) << again.text();
  EXPECT_TRUE(wait_until([&] { return written > before + 500; }, kSoon));
  enough = true;
  writer.join();
  ASSERT_FALSE(given_up);
  (*fleet)[3].kill();
  addresses[3] = fresh.address();
  EXPECT_TRUE(all_up()) << tlogctl({"status"}).output;
  scrub_is_clean();
  const Bytes image = restored_without(1, 2);
  for (const auto& [block, seed] : model) {
    const auto at = image.begin() + static_cast<std::ptrdiff_t>(block * 4096);
    ASSERT_EQ(Bytes(at, at + 4096), pattern(4096, seed)) << "block " << block;
  }
}

TEST_F(NbdClusterReplace, a_server_of_blocks) {
  RedisFleet keepers(3, kept);
  blocks = keepers.addresses();
  begin();
  RedisServer fresh(kept);
  const CommandResult live = replace("b", blocks[1], fresh.address());
  ASSERT_TRUE(live.ok()) << live.text();
  EXPECT_THAT(live.output, HasSubstr("warning: vdisk vm1: until the new server is refilled"));
  EXPECT_THAT(live.output, HasSubstr("vdisk vm1 (blocks): " + fresh.address() + " is whole"));
  file_says(blocks[1], fresh.address());
  EXPECT_TRUE(all_there(1)) << "at once, as it is whole";
  keepers[1].kill();

  keepers[0].kill();
  RedisServer second(kept);
  const CommandResult dead = replace("b", blocks[0], second.address());
  ASSERT_TRUE(dead.ok()) << dead.text();
  EXPECT_TRUE(all_there(1));

  // Another part's server, and somebody else's.
  text = read_text(site->config_path());
  expect_refused(replace("b", blocks[2], "127.1:" + second.address().substr(10)), "part 0 of 3");
  RedisServer foreign(kept);
  foreign.command({"HSET", "blocks:other", "id", "x"});
  expect_refused(replace("b", blocks[2], foreign.address()), "is not empty, it has 1 keys");
}

TEST_F(NbdClusterReplace, what_is_not_safe_is_refused_and_nothing_changes) {
  begin();
  const std::string& old = addresses[2];
  RedisServer fresh(kept);
  expect_refused(replace("c", old, "127.0.0.1:1"), "start it, and see that it can be reached");
  expect_refused(replace("c", old, "127.1:" + addresses[3].substr(10)),
                 "it is the server of clusters.c.servers.3");
  expect_refused(replace("c", old, addresses[3]), "the same server and database as");
  expect_refused(replace("c", old, old), "both the old and the new server");
  expect_refused(replace("c", old, "nonsense"), "has no port");
  expect_refused(replace("c", "127.0.0.1:1", fresh.address()), "has no server at 127.0.0.1:1");
  expect_refused(replace("x", old, fresh.address()), "no cluster 'x'");

  RedisServer foreign(kept);
  foreign.command({"HSET", "tlog::server", "uuid", "11111111-2222-3333-4444-555555555555"});
  expect_refused(replace("c", old, foreign.address()),
                 "it holds shards of another place or another log");
  RedisServer used(kept);
  used.command({"SET", "somebody", "else"});
  expect_refused(replace("c", old, used.address()), "is not empty, it has 1 keys");
  RedisOptions evicts;
  evicts.arguments = {"--maxmemory-policy", "allkeys-lru"};
  RedisServer evicting(evicts);
  expect_refused(replace("c", old, evicting.address()), "maxmemory-policy");
  RedisOptions secret = kept;
  secret.password = "secret";
  RedisServer locked(secret);
  expect_refused(replace("c", old, locked.address()), "write its passwordFile and address");

  // Without a terminal nobody can be asked.
  EXPECT_EQ(replace("c", old, fresh.address(), {}).exit_code, 2);
  EXPECT_EQ(tlogctl({"cluster", "replace", "c", old}).exit_code, 2);

  (*fleet)[0].kill();
  (*fleet)[5].kill();
  ASSERT_TRUE(wait_until([&] { return !tlogctl({"cluster", "status"}).ok(); }, kSoon));
  EXPECT_TRUE(wait_until(
      [&] {
        const CommandResult refused = replace("c", old, fresh.address(), {"--dry-run"});
        return refused.exit_code == 1 &&
               refused.error.find("fewer than 4 whole") != std::string::npos;
      },
      kSoon));
  expect_refused(replace("c", old, fresh.address()), "bring those back first");
  EXPECT_EQ(fresh.command({"DBSIZE"}), "0") << "it was asked, and given nothing";
}

TEST_F(NbdClusterReplace, a_password_file_goes_for_the_new_server_too) {
  RedisOptions secret = kept;
  secret.password = "secret";
  SiteOptions with_password = options();
  site = std::make_unique<Site>(with_password);
  write_text(site->file("password"), "secret\n", 0600);
  RedisServer first(secret);
  const std::string plain = "{address: \"" + addresses[2] + "\"}";
  const std::size_t at = with_password.clusters.find(plain);
  ASSERT_NE(at, std::string::npos);
  with_password.clusters.replace(at, plain.size(),
                                 "{address: \"" + first.address() + "\", passwordFile: password}");
  site->configure(with_password);
  start({"-t", "64"});
  text = read_text(site->config_path());
  addresses[2] = first.address();
  write_all(1);
  ASSERT_TRUE(all_up()) << tlogctl({"status"}).output;
  RedisServer open(kept);
  expect_refused(replace("c", addresses[2], open.address()), "give it that password");
  RedisServer fresh(secret);
  const CommandResult replaced = replace("c", addresses[2], fresh.address());
  EXPECT_TRUE(replaced.ok()) << replaced.text();
  EXPECT_THAT(replaced.text(), Not(HasSubstr("secret")));
  std::filesystem::remove(site->file("password"));
  const CommandResult gone = replace("c", fresh.address(), open.address());
  EXPECT_EQ(gone.exit_code, 1) << gone.text();
  EXPECT_THAT(gone.error, HasSubstr("password"));
}

TEST_F(NbdClusterReplace, a_vdisk_that_nobody_serves_is_left_to_its_next_opening_when_told_so) {
  begin();
  EXPECT_EQ(server->stop(), 0);
  RedisServer fresh(kept);
  const CommandResult refused = replace("c", addresses[2], fresh.address());
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error, HasSubstr("vdisk vm1 is not served"));
  EXPECT_EQ(read_text(site->config_path()), text);
  const CommandResult told =
      replace("c", addresses[2], fresh.address(), {"--yes", "--allow-unserved"});
  EXPECT_TRUE(told.ok()) << told.text();
  EXPECT_THAT(told.output, HasSubstr("taken over when a server is started with it"));
  file_says(addresses[2], fresh.address());
  (*fleet)[2].kill();
  start({"-t", "64"});
  EXPECT_TRUE(all_there(1));
  EXPECT_TRUE(all_up()) << tlogctl({"status"}).output;
  scrub_is_clean();
  restores_without(3, 4, 1);
}

TEST_F(NbdClusterReplace, a_configuration_in_etcd_is_not_written_from_here) {
  serve({"-t", "64"}, options());
  const std::string redirection = site->file("elsewhere.yml");
  write_text(redirection, "configSource: etcd://127.0.0.1:1/config\n");
  const CommandResult refused = run_command({TLOG_TLOGCTL, "--config", redirection, "cluster",
                                             "replace", "c", addresses[2], "h:1", "--yes"});
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.error, HasSubstr("etcdctl put"));
}

}  // namespace
}  // namespace tlog::testing
