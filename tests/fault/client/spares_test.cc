// Goal: real servers on the same stores are one log to the client: one is sent to, another one goes
// on where it dies, and they do not take the log from each other again and again. Method: two or
// three servers in the same databases of redis-servers, and one with its own.
#include "tests/fault/client/served.h"

namespace tlog::testing {
namespace {

using client::ServerState;

class ClientSparesTest : public Served {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
    redis = std::make_unique<RedisFleet>(kRigStores);
  }
  void TearDown() override {
    rig.close(0);
    servers.clear();  // before what they store in
  }
  // `count` of them in one database of each redis-server.
  void add_servers(unsigned count, const std::string& db) {
    for (unsigned i = 0; i < count; ++i) {
      add_server();
      use_redis(*servers.back(), *redis, db);
    }
  }
  // Of the first `count`; the number of servers when there is none.
  std::size_t the_sending_one(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (rig.marker(i).state == ServerState::kSending) return i;
    }
    return servers.size();
  }
  std::uint64_t connections() {
    std::uint64_t count = 0;
    for (const client::Marker& marker : rig.client().markers()) count += marker.connections;
    return count;
  }
  bool settled(std::size_t count) {
    return eventually([&] {
      std::size_t spares = 0;
      for (std::size_t i = 0; i < count; ++i)
        spares += rig.marker(i).reason.find("spare:") != std::string::npos;
      return spares == count - 1 && the_sending_one(count) < count;
    });
  }
  std::string what_is_seen() {
    std::string text;
    for (const client::Marker& marker : rig.client().markers()) {
      text += marker.address + ": " + std::string(client::server_state_name(marker.state)) + ": " +
              marker.reason + "\n";
    }
    text += rig.logger.lines();
    for (auto& server : servers) text += "--\n" + server->logger().lines();
    return text;
  }
  // The log of the first, after the client's end.
  void check_log() {
    const Sequence end = rig.end();
    const std::string seen = what_is_seen();
    rig.close();
    for (std::size_t i = 0; i < servers.size(); ++i) kill(i);
    EXPECT_EQ(count_stored(0), end) << seen;
  }

  std::unique_ptr<RedisFleet> redis;
};

TEST_F(ClientSparesTest, OneIsSentToAndItStaysSo) {
  add_servers(3, "0");
  ASSERT_TRUE(open(1));
  rig.append(200);
  ASSERT_TRUE(stored(200)) << what_is_seen();
  ASSERT_TRUE(settled(3)) << what_is_seen();
  const std::uint64_t before = connections();
  for (int i = 0; i < 30; ++i) {
    rig.append(20);
    ASSERT_TRUE(stored(rig.end()));
  }
  EXPECT_EQ(connections(), before) << what_is_seen();
  EXPECT_EQ(rig.failures, 0);
  check_log();
}

TEST_F(ClientSparesTest, ASpareGoesOnWhereAnotherWasKilled) {
  add_servers(2, "0");
  ASSERT_TRUE(open(1));
  for (int round = 0; round < 10; ++round) {
    rig.append(50);
    ASSERT_TRUE(stored(rig.end()));
    std::size_t victim = 0;
    ASSERT_TRUE(eventually([&] {
      victim = the_sending_one(2);
      return victim < 2;
    })) << what_is_seen();
    rig.append(50);
    kill(victim);
    ASSERT_TRUE(stored(rig.end())) << round;
    start(victim);
  }
  EXPECT_EQ(rig.failures, 0);
  check_log();
}

// The first one does not know yet that it has been fenced, and has what it was sent.
TEST_F(ClientSparesTest, ASpareThatComesLaterTakesTurnsOnceAtMost) {
  add_servers(2, "0");
  ASSERT_TRUE(open(1));
  rig.append(1);
  ASSERT_TRUE(stored(1));
  rig.close();
  kill(1);  // of which the next client knows nothing
  ASSERT_TRUE(open(1));
  rig.append(99);
  ASSERT_TRUE(stored(100));
  rig.append(100);
  start(1);
  ASSERT_TRUE(settled(2)) << what_is_seen();
  ASSERT_TRUE(stored(200));
  const std::uint64_t before = connections();
  for (int i = 0; i < 20; ++i) {
    rig.append(20);
    ASSERT_TRUE(stored(rig.end()));
  }
  EXPECT_EQ(connections(), before) << what_is_seen();
  EXPECT_EQ(rig.failures, 0);
  check_log();
}

TEST_F(ClientSparesTest, TwoOnTheSameStoresAreNotTwoThatHaveStored) {
  add_servers(1, "0");
  add_servers(1, "1");
  add_servers(1, "0");
  ASSERT_TRUE(open(2));
  rig.append(50);
  ASSERT_TRUE(stored(50));
  kill(1);
  rig.append(50);
  ASSERT_TRUE(eventually([&] {
    rig.client().force(100);
    return std::max(rig.marker(0).stored, rig.marker(2).stored) == 100;
  }));
  ASSERT_TRUE(eventually(
      [&] { return rig.client().waiting_for().find(proxies[1]->address()) != std::string::npos; }));
  EXPECT_LT(rig.client().stored(), 100U);
  start(1);
  ASSERT_TRUE(stored(100));
  check_log();
  EXPECT_EQ(count_stored(1), 100U);
}

}  // namespace
}  // namespace tlog::testing
