// Goal: a vdisk whose log tlogservers keep is as good as one with stores of its own: what is
// flushed is in as many logs as the write concern says, whoever is killed, paused or away
// meanwhile; each log alone is the whole disk. Method: nbdkit, three tlogservers and six
// redis-servers as processes, a real client, and tlogplay on each server's stores.
#include <gmock/gmock.h>

#include <random>

#include "tests/nbd/on_tlogservers.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

class NbdTlogservers : public OnTlogservers {
 protected:
  // One database; a connection of its own, which is always in the first one.
  static void empty(RedisServer& redis, unsigned database) {
    const std::string script = fmt::format(
        "redis.call('SELECT', {}) local all = redis.call('DBSIZE') redis.call('FLUSHDB') return "
        "all",
        database);
    EXPECT_NE(redis.command({"EVAL", script, "0"}), "0");
  }
};

TEST_F(NbdTlogservers, each_servers_log_alone_is_the_whole_disk) {
  serve({}, options());
  {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t i = 0; i < 200; ++i) client.write(i * 4096, pattern(4096, i));
    client.trim(4096, 8192);
    client.zero(16384, 4096);
    client.flush();
  }
  EXPECT_GE(number("stored"), number("appended"));
  for (unsigned i = 0; i < kServers; ++i) ASSERT_TRUE(has_all(i)) << i;
  EXPECT_TRUE(status_says("sending")) << tlogctl({"status"}).output;
  const Bytes disk = whole();
  EXPECT_EQ(server->stop(), 0);
  for (unsigned i = 0; i < kServers; ++i) EXPECT_TRUE(restored(i) == disk) << i;
}

// One server of three is always away; the disk goes on, and in the end all three logs are whole,
// with every sequence once.
TEST_F(NbdTlogservers, servers_are_killed_at_any_moment_and_nothing_flushed_is_lost) {
  constexpr unsigned kRounds = 100;
  constexpr std::uint64_t kBlocks = 256;
  serve({}, options());
  std::mt19937_64 random(std::random_device{}());
  std::vector<std::uint64_t> last(kBlocks);  // seed of what was written; 0: nothing
  std::uint64_t operation = 0;
  auto client = std::make_unique<NbdClient>(server->uri("vm1"));
  const auto write_some = [&] {
    for (std::uint64_t more = random() % 6 + 1; more > 0; --more) {
      const std::uint64_t block = random() % kBlocks;
      client->write(block * 4096, pattern(4096, ++operation));
      last[block] = operation;
    }
    client->flush();
  };
  for (unsigned round = 0; round < kRounds; ++round) {
    TlogserverProcess& victim = *servers[round % kServers];
    switch (random() % 4) {
      case 0: {  // stopped for a moment, not dead
        victim.signal(SIGSTOP);
        write_some();
        victim.signal(SIGCONT);
        break;
      }
      case 1:
        if (round % 10 == 9) {  // the host, too
          client.reset();
          server->kill();
          victim.kill();
          start();
          client = std::make_unique<NbdClient>(server->uri("vm1"));
        } else {
          victim.kill();
        }
        break;
      default: {  // while records are under way
        const Bytes bytes = pattern(4096, ++operation);
        const std::uint64_t block = random() % kBlocks;
        const std::int64_t cookie = client->send_write(block * 4096, bytes);
        last[block] = operation;
        victim.kill();
        ASSERT_EQ(client->await(cookie, 60'000), 0) << "round " << round;
        break;
      }
    }
    write_some();
    if (victim.wait(Milliseconds(0))) victim.start();
  }
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    if (last[block] == 0) continue;
    ASSERT_EQ(client->read(block * 4096, 4096), pattern(4096, last[block])) << block;
  }
  client.reset();
  for (unsigned i = 0; i < kServers; ++i) ASSERT_TRUE(has_all(i)) << i;
  const std::uint64_t records = number("appended");
  const Bytes disk = whole();
  EXPECT_EQ(server->stop(), 0);
  for (auto& one : servers) EXPECT_EQ(one->stop(), 0) << one->log();
  for (unsigned i = 0; i < kServers; ++i) {
    EXPECT_TRUE(restored(i) == disk) << i;
    const CommandResult info = play(i, {"info", "vm1"});
    EXPECT_THAT(info.output, HasSubstr(std::to_string(records))) << info.text();
  }
}

// Two of three are away: a flush waits, and is answered when one is back. Nothing fails meanwhile.
TEST_F(NbdTlogservers, a_flush_waits_for_the_write_concern) {
  serve({}, options());
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(4096, 1));
  client.flush();
  servers[0]->kill();
  servers[2]->kill();
  client.write(4096, pattern(4096, 2));
  const std::int64_t flush = client.send_flush();
  EXPECT_EQ(client.await(flush, 1'000), ETIMEDOUT);
  const std::string status = tlogctl({"status"}).output;
  EXPECT_THAT(status, HasSubstr(servers[0]->address()));
  EXPECT_THAT(status, HasSubstr("connecting"));
  EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));

  servers[2]->start();
  EXPECT_EQ(client.await(flush, 60'000), 0);
  servers[0]->start();
  EXPECT_TRUE(has_all(0));
}

// The stores of one server are emptied: it gets everything again, from the others.
TEST_F(NbdTlogservers, a_server_whose_stores_were_emptied_is_filled_by_the_others) {
  serve({}, options());
  auto client = std::make_unique<NbdClient>(server->uri("vm1"));
  for (std::uint64_t i = 0; i < 300; ++i) client->write(i * 4096, pattern(4096, i));
  client->flush();
  ASSERT_TRUE(has_all(1));
  servers[1]->kill();
  for (unsigned i = 0; i < fleet->size(); ++i) empty((*fleet)[i], 1);
  servers[1]->start();
  for (std::uint64_t i = 0; i < 100; ++i) client->write(i * 4096, pattern(4096, 1000 + i));
  client->flush();
  client.reset();
  EXPECT_TRUE(has_all(1)) << tlogctl({"status"}).output;
  const Bytes disk = whole();
  EXPECT_EQ(server->stop(), 0);
  EXPECT_TRUE(restored(1) == disk);
}

// Over TCP, where the disk's key may go only when nobody can read it.
TEST_F(NbdTlogservers, over_tls_with_a_shared_key) {
  const std::string psk = directory.file("tlog.psk");
  const std::string other = directory.file("other.psk");
  write_text(psk, "host-a:" + std::string(64, '5') + "\n", 0600);
  write_text(other, "host-a:" + std::string(64, '6') + "\n", 0600);
  TlogserverProcess secret({"--memorystorage", "--tls-psk-file", psk});
  TlogserverProcess open({"--memorystorage"});
  const auto with = [&](const TlogserverProcess& one, const std::string& more) {
    SiteOptions site_options;
    site_options.tlog = "servers: [\"" + one.address() + "\"], durability: cluster, " +
                        "flushTime: 200ms, stallTimeout: 1s" + more;
    return site_options;
  };
  const auto refusal = [&](const SiteOptions& site_options) {
    site = std::make_unique<Site>(site_options);
    auto started = NbdkitServer::start(site->nbdkit());
    if (!started) return started.error().message();
    EXPECT_THROW(NbdClient((*started)->uri("vm1")), std::runtime_error);
    return (*started)->log();
  };
  serve({}, with(secret, ", tls: {pskFile: \"" + psk + "\"}"));
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(4096, 1));
    client.flush();
    EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));
  }
  EXPECT_EQ(number("stored"), 1U);
  EXPECT_EQ(server->stop(), 0);
  server.reset();

  EXPECT_THAT(refusal(with(secret, ", tls: {pskFile: \"" + other + "\"}")),
              HasSubstr(secret.address()));
  EXPECT_THAT(refusal(with(secret, ", insecure: true")), HasSubstr("TLS"));
  EXPECT_THAT(refusal(with(open, ", tls: {pskFile: \"" + psk + "\"}")), HasSubstr("TLS"));
  EXPECT_THAT(refusal(with(open, "")), HasSubstr("insecure"));
  EXPECT_EQ(secret.log().find(site->key_hex()), std::string::npos);
}

TEST_F(NbdTlogservers, fifty_vdisks_at_once) {
  SiteOptions site_options = options();
  site_options.vdisks.clear();
  for (unsigned i = 1; i <= 50; ++i) {
    site_options.vdisks.push_back(
        {.name = fmt::format("vm{}", i), .size_mib = 4, .description = {}});
  }
  site_options.journal_mib = 16;
  serve({}, site_options);
  std::vector<std::unique_ptr<NbdClient>> clients;
  for (unsigned i = 1; i <= 50; ++i) {
    clients.push_back(std::make_unique<NbdClient>(server->uri(fmt::format("vm{}", i))));
  }
  for (std::uint64_t block = 0; block < 20; ++block) {
    for (unsigned i = 0; i < clients.size(); ++i) {
      clients[i]->write(block * 4096, pattern(4096, block * 100 + i));
    }
  }
  std::vector<std::int64_t> flushes;
  for (auto& client : clients) flushes.push_back(client->send_flush());
  for (unsigned i = 0; i < clients.size(); ++i) {
    EXPECT_EQ(clients[i]->await(flushes[i], 60'000), 0) << i;
  }
  clients.clear();
  EXPECT_EQ(server->stop(), 0);
  for (auto& one : servers) EXPECT_EQ(one->stop(), 0) << one->log();
  for (const unsigned vdisk : {1U, 17U, 50U}) {
    unsigned whole_logs = 0;
    for (unsigned i = 0; i < kServers; ++i) {
      const Bytes image = restored(i, fmt::format("vm{}", vdisk));
      bool same = image.size() == 4 * kMiB;
      for (std::uint64_t block = 0; same && block < 20; ++block) {
        const Bytes wanted = pattern(4096, block * 100 + vdisk - 1);
        same = std::equal(wanted.begin(), wanted.end(), image.begin() + block * 4096);
      }
      whole_logs += same ? 1 : 0;
    }
    EXPECT_GE(whole_logs, 2U) << vdisk;
  }
}

// Success is that as many logs as the write concern says have a standby with all of it: of three
// servers two keep one, of two standbys both are needed.
TEST_F(NbdTlogservers, as_many_standbys_are_waited_for_as_the_write_concern_says) {
  const std::string key = directory.file("server.key");
  ASSERT_TRUE(run_command({TLOG_TLOGCTL, "keygen", key}).ok());
  for (unsigned i = 0; i < 2; ++i) {
    const std::string config = directory.file(fmt::format("server{}.yml", i));
    write_text(config,
               fmt::format("keyFile: {}\nclusters:\n  other: {{servers: [{{address: \"{}\"}}]}}\n"
                           "  standby: {{servers: [{{address: \"{}\", db: {}}}]}}\n"
                           "vdisks: {{vm1: {{size: 64MiB, storage: {{cluster: other}}, tlog: "
                           "{{cluster: other, dataShards: 1, parityShards: 0, slaveSync: true}}, "
                           "slaveStorage: {{cluster: standby}}}}}}\n",
                           key, (*fleet)[2].address(), (*fleet)[i].address(), 10 + i));
    servers[i].reset();
    servers[i] = start_server(i, {"--with-slave-sync", "--config", config, "--k", "4", "--m", "2"});
  }
  serve({}, options());
  NbdClient client(server->uri("vm1"));
  const std::vector<std::string> wait = {"wait-slave-sync", "vm1", "--timeout", "30s"};
  for (std::uint64_t i = 0; i < 50; ++i) client.write(i * 4096, pattern(4096, i));
  const CommandResult synced = tlogctl(wait);
  EXPECT_TRUE(synced.ok()) << synced.text();
  for (unsigned i = 0; i < 2; ++i) {
    EXPECT_THAT(tlogctl({"server-status", servers[i]->address()}).output, HasSubstr("in sync"));
  }
  (*fleet)[1].pause();
  for (std::uint64_t i = 50; i < 60; ++i) client.write(i * 4096, pattern(4096, i));
  client.flush();
  const CommandResult late = tlogctl({"wait-slave-sync", "vm1", "--timeout", "1s"});
  EXPECT_EQ(late.exit_code, 1) << late.text();
  (*fleet)[1].resume();
  const CommandResult again = tlogctl(wait);
  EXPECT_TRUE(again.ok()) << again.text();
}

}  // namespace
}  // namespace tlog::testing
