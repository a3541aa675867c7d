// tlogserver with a client that sends records, on real redis-servers: what it has said it received
// is stored when it is told to end, and nothing is lost or stored twice when it is killed. What is
// in the stores is read by tlogplay.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/support/client_rig.h"
#include "tests/support/http_request.h"
#include "tests/support/redis_server.h"
#include "tests/support/tlogserver_process.h"
#include "tlog/seal/key.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// Its log: 2 + 1 on three redis-servers.
struct Serving : ::testing::Test {
  void SetUp() override {
    const auto key = seal::MasterKey::generate(system_random());
    ASSERT_TRUE(key->save(io::system_files(), directory.file("t.key")).has_value());
    std::string config = "keyFile: t.key\nclusters: {c: {servers: [";
    for (const std::string& address : redis.addresses()) {
      config += "{address: '" + address + "', db: '3'}, ";
    }
    config +=
        "]}}\ntlog: {dataShards: 2, parityShards: 1}\n"
        "vdisks: {vm1: {size: 16MiB, storage: {file: vm1}}}\n";
    write_text(directory.file("t.yml"), config);
  }

  std::vector<std::string> flags(std::vector<std::string> more = {}) const {
    std::string stores;
    for (const std::string& address : redis.addresses()) {
      stores += (stores.empty() ? "" : ",") + address + "@3";
    }
    std::vector<std::string> all = {"-storage-addresses",
                                    stores,
                                    "-k=2",
                                    "-m=1",
                                    "-priv-key-file",
                                    directory.file("t.key"),
                                    "-flush-time=200ms",
                                    "-profile-address=127.0.0.1:0"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // The server's k and m count.
  Status connect(const TlogserverProcess& server) {
    client::ClientOptions options = rig.options({server.address()}, 1);
    options.format.data_shards = options.format.parity_shards = 0;
    options.concern.received = 1;
    return rig.open(options);
  }

  // Every record that the stores have, in the log's order; all of it verified.
  std::vector<Sequence> stored_records() {
    const std::vector<std::string> tlogplay = {TLOGPLAY, "--config", directory.file("t.yml")};
    auto with = [&](std::vector<std::string> words) {
      words.insert(words.begin(), tlogplay.begin(), tlogplay.end());
      return run_command(words);
    };
    const CommandResult verified = with({"verify", "vm1"});
    EXPECT_EQ(verified.exit_code, 0) << verified.text();
    const CommandResult listed = with({"--json", "list", "vm1", "--records"});
    EXPECT_EQ(listed.exit_code, 0) << listed.text();
    std::vector<Sequence> sequences;
    const Json json = Json::parse(listed.output, nullptr, false);
    EXPECT_TRUE(json.is_object()) << listed.text();
    if (!json.is_object()) return sequences;
    for (const Json& record : json["records"]) sequences.push_back(record["sequence"]);
    return sequences;
  }
  static void expect_dense(const std::vector<Sequence>& sequences) {
    for (std::size_t i = 0; i < sequences.size(); ++i) ASSERT_EQ(sequences[i], i + 1);
  }

  RedisFleet redis{3};
  TempDirectory directory;
  ClientRig rig;
};

TEST_F(Serving, sigterm_stores_all_that_was_received) {
  TlogserverProcess server(flags({"-flush-time=1h", "-flush-size=60000"}));
  Sequence promised = 0;
  for (int round = 0; round < 3; ++round) {
    const Status opened = connect(server);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    const Sequence begin = rig.end();
    rig.append(200);
    ASSERT_TRUE(eventually([&] { return rig.client().received() > begin; }))
        << "round " << round << ": " << rig.client().received() << " of " << rig.end() << ": "
        << rig.client().waiting_for() << "\n"
        << server.log();
    server.signal(SIGTERM);
    rig.append(100);  // it is in the middle of it
    EXPECT_EQ(server.wait(Milliseconds(60'000)), 0);
    promised = std::max(promised, rig.client().received());
    rig.close(0);
    const auto sequences = stored_records();
    expect_dense(sequences);
    EXPECT_GE(sequences.size(), promised);
    server.start();
  }
}

TEST_F(Serving, killed_again_and_again_it_goes_on_from_its_stores) {
  TlogserverProcess server(flags());
  const Status opened = connect(server);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  for (int round = 0; round < 5; ++round) {
    const Sequence stored = rig.client().stored();
    rig.append(150);
    ASSERT_TRUE(eventually([&] { return rig.client().stored() > stored; }));
    rig.append(50);
    server.kill();
    server.start();
  }
  ASSERT_TRUE(rig.wait_stored(rig.end())) << rig.client().waiting_for() << server.log();
  EXPECT_EQ(rig.failures, 0);
  rig.close();
  EXPECT_EQ(server.stop(), 0);
  const auto sequences = stored_records();
  expect_dense(sequences);
  EXPECT_EQ(sequences.size(), rig.end());
}

// One store of three is away, and the quorum with it.
TEST_F(Serving, what_cannot_be_stored_is_shown_and_is_no_success) {
  for (const bool impatient : {false, true}) {
    TlogserverProcess server(flags({impatient ? "-stop-timeout=10m" : "-stop-timeout=300ms"}));
    const Status opened = connect(server);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    EXPECT_EQ(http_get(server.pages(), "/health").status, 200);
    redis[0].pause();
    rig.append(100);
    EXPECT_TRUE(eventually([&] { return http_get(server.pages(), "/health").status == 503; }));
    const Json status = Json::parse(http_get(server.pages(), "/status").body);
    EXPECT_EQ(status["sessions"][0]["vdisk"], "vm1");
    EXPECT_NE(status["sessions"][0]["waitingFor"], "");
    EXPECT_THAT(http_get(server.pages(), "/metrics").body,
                HasSubstr("\ntlogserver_vdisk_waiting{vdisk=\"vm1\"} 1\n"));
    EXPECT_THAT(http_get(server.pages(), "/").body, HasSubstr("vm1"));

    server.signal(SIGTERM);
    if (impatient) {
      EXPECT_TRUE(eventually([&] {
        return http_get(server.pages(), "/metrics").body.find("\ntlogserver_stopping 1\n") !=
               std::string::npos;
      }));
      server.signal(SIGTERM);  // at once, not after ten minutes
    }
    EXPECT_EQ(server.wait(Milliseconds(60'000)), 1);
    EXPECT_EQ(server.log().find("event=stopped ") == std::string::npos, impatient);
    rig.close(0);
    redis[0].resume();
  }
}

}  // namespace
}  // namespace tlog::testing
