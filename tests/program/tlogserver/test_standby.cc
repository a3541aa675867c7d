// tlogserver --with-slave-sync with the configuration that says so, and tlogctl that asks it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/client_rig.h"
#include "tests/support/redis_server.h"
#include "tests/support/tlogserver_process.h"
#include "tests/unit/server_net/certificates.h"
#include "tlog/seal/key.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

// Its log: 2 + 1 on three redis-servers; its standby: two.
struct WithStandby : ::testing::Test {
  void SetUp() override {
    const auto key = seal::MasterKey::generate(system_random());
    ASSERT_TRUE(key->save(io::system_files(), directory.file("t.key")).has_value());
    write_text(directory.file("t.yml"),
               "keyFile: t.key\nclusters:\n  log: {servers: [" + servers(log) +
                   "]}\n  standby: {servers: [" + servers(standby) +
                   "], requestTimeout: 500ms}\n"
                   "tlog: {cluster: log, dataShards: 2, parityShards: 1, flushTime: 200ms}\n"
                   "vdisks: {vm1: {size: 16MiB, storage: {cluster: log}, slaveStorage: "
                   "{cluster: standby}, tlog: {slaveSync: true}}}\n");
  }
  static std::string servers(const RedisFleet& fleet) {
    std::string text;
    for (const std::string& address : fleet.addresses()) text += "{address: '" + address + "'}, ";
    return text;
  }
  CommandResult tlogctl(std::vector<std::string> words) {
    words.insert(words.begin(), TLOGCTL);
    return run_command(words);
  }
  Sequence waited_for(const TlogserverProcess& server) {
    const CommandResult result = tlogctl(
        {"wait-slave-sync", "vm1", "--server", server.address(), "--timeout", "20s", "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.text() << server.log();
    const Json json = Json::parse(result.output, nullptr, false);
    return json.is_object() ? json.value("sequence", Sequence{0}) : 0;
  }

  RedisFleet log{3};
  RedisFleet standby{2};
  TempDirectory directory;
  ClientRig rig;
};

TEST_F(WithStandby, it_follows_through_kills_and_tlogctl_tells_of_it) {
  TlogserverProcess server({"-with-slave-sync", "-config", directory.file("t.yml")});
  client::ClientOptions options = rig.options({server.address()}, 1);
  options.format.data_shards = options.format.parity_shards = 0;
  const Status opened = rig.open(options);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  for (int round = 0; round < 2; ++round) {
    rig.append(100);
    const auto synced = rig.client().wait_slave_sync(20'000'000'000);
    ASSERT_TRUE(synced.has_value()) << synced.error().message() << server.log();
    EXPECT_GE(*synced, rig.end());
    EXPECT_GE(waited_for(server), rig.end());
    server.kill();
    server.start();
  }
  const auto again = rig.client().wait_slave_sync(20'000'000'000);
  ASSERT_TRUE(again.has_value()) << again.error().message() << server.log();
  const CommandResult status = tlogctl({"server-status", server.address()});
  EXPECT_EQ(status.exit_code, 0) << status.text();
  EXPECT_THAT(status.output, HasSubstr("vdisk vm1: writer"));
  EXPECT_THAT(status.output, HasSubstr("in sync, has " + std::to_string(rig.end())));
  const CommandResult json = tlogctl({"server-status", server.address(), "--json"});
  EXPECT_EQ(Json::parse(json.output)["sessions"][0]["standby"]["state"], "in sync");

  standby[1].pause();
  rig.append(10);
  ASSERT_TRUE(rig.wait_stored(rig.end()));
  const CommandResult late =
      tlogctl({"wait-slave-sync", "vm1", "--server", server.address(), "--timeout", "300ms"});
  EXPECT_EQ(late.exit_code, 1) << late.text();
  EXPECT_THAT(late.error, HasSubstr("was to be reached"));
  standby[1].resume();
  EXPECT_GE(waited_for(server), rig.end());
  rig.close();
  EXPECT_EQ(server.stop(), 0);
}

// The server has no key of its own: who asks hands the log's over, where nobody can read it.
TEST_F(WithStandby, tlogctl_hands_the_key_over_inside_tls) {
  std::string config = read_text(directory.file("t.yml"));
  config.erase(0, config.find('\n') + 1);  // keyFile
  write_text(directory.file("keyless.yml"), config);
  const Authority authority("authority");
  authority.save(directory.file("ca.pem"));
  authority.issue({.common_name = "server", .addresses = {"127.0.0.1"}}, directory.file("s.pem"),
                  directory.file("s.key"));
  TlogserverProcess server({"-with-slave-sync", "-config", directory.file("keyless.yml"),
                            "-tls-cert", directory.file("s.pem"), "-tls-key",
                            directory.file("s.key")});
  const auto key = seal::MasterKey::load(io::system_files(), directory.file("t.key"));
  ASSERT_TRUE(key.has_value());
  client::ClientOptions options = rig.options({server.address()}, 1);
  options.format.data_shards = options.format.parity_shards = 0;
  options.key = &*key;
  options.tls = net::Tls::load(net::TlsSide::kClient, {.ca_file = directory.file("ca.pem")},
                               io::system_files())
                    .value();
  const Status opened = rig.open(options);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  rig.append(100);
  ASSERT_TRUE(rig.wait_stored(rig.end()));

  const auto wait = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"wait-slave-sync", "vm1", "--server", server.address(), "--timeout", "20s"});
    return tlogctl(std::move(more));
  };
  const CommandResult done =
      wait({"--tls-ca", directory.file("ca.pem"), "--key-file", directory.file("t.key"), "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.text() << server.log();
  EXPECT_GE(Json::parse(done.output).at("sequence"), rig.end());

  const CommandResult keyless = wait({"--tls-ca", directory.file("ca.pem")});
  EXPECT_EQ(keyless.exit_code, 1) << keyless.text();
  EXPECT_THAT(keyless.error, HasSubstr("give one of them the key file"));
  const auto other = seal::MasterKey::generate(system_random());
  ASSERT_TRUE(other->save(io::system_files(), directory.file("other.key")).has_value());
  const CommandResult wrong =
      wait({"--tls-ca", directory.file("ca.pem"), "--key-file", directory.file("other.key")});
  EXPECT_EQ(wrong.exit_code, 1) << wrong.text();
  EXPECT_THAT(wrong.error, HasSubstr("key"));
  const Authority stranger("stranger");
  stranger.save(directory.file("stranger.pem"));
  const CommandResult untrusted =
      wait({"--tls-ca", directory.file("stranger.pem"), "--key-file", directory.file("t.key")});
  EXPECT_EQ(untrusted.exit_code, 1) << untrusted.text();
  EXPECT_THAT(untrusted.error, HasSubstr("certificate"));
  rig.close();
  EXPECT_EQ(server.stop(), 0);

  // In clear the key is not even sent.
  TlogserverProcess plain({"-with-slave-sync", "-config", directory.file("t.yml")});
  const CommandResult clear = tlogctl({"wait-slave-sync", "vm1", "--server", plain.address(),
                                       "--key-file", directory.file("t.key")});
  EXPECT_EQ(clear.exit_code, 1) << clear.text();
  EXPECT_THAT(clear.error, HasSubstr("where others can read it"));
  EXPECT_EQ(plain.stop(), 0);
}

TEST_F(WithStandby, who_cannot_be_answered_is_told_why) {
  TlogserverProcess server({"-memorystorage"});
  const CommandResult none = tlogctl({"wait-slave-sync", "--server", server.address()});
  EXPECT_EQ(none.exit_code, 1) << none.text();
  EXPECT_THAT(none.error, HasSubstr("say which one"));
  const CommandResult unknown = tlogctl({"wait-slave-sync", "vm1", "--server", server.address()});
  EXPECT_EQ(unknown.exit_code, 1) << unknown.text();
  EXPECT_THAT(unknown.error, HasSubstr(server.address()));
  const CommandResult idle = tlogctl({"server-status", server.address()});
  EXPECT_EQ(idle.exit_code, 0) << idle.text();
  EXPECT_THAT(idle.output, HasSubstr("no vdisk is written or read"));
  const std::string nowhere = "unix:" + directory.file("nowhere");
  const CommandResult nobody = tlogctl({"server-status", nowhere});
  EXPECT_EQ(nobody.exit_code, 1) << nobody.text();
  EXPECT_THAT(nobody.error, HasSubstr(nowhere));
  // Who says whom to expect does not talk to just anybody.
  for (const char* meant : {"--tls-server-name", "--tls-psk-identity", "--tls-key"}) {
    const CommandResult plain = tlogctl({"server-status", server.address(), meant, "somebody"});
    EXPECT_EQ(plain.exit_code, 1) << meant << plain.text();
    EXPECT_THAT(plain.output, Not(HasSubstr("no vdisk"))) << meant;
  }
}

}  // namespace
}  // namespace tlog::testing
