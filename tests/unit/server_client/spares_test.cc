// Goal: of servers that write one log one is sent to, the others stand by for it; they do not take
// the log from each other again and again. Method: servers of the test's own with a common log,
// each opening of which fences the one before.
#include "tests/unit/server_client/rigged.h"

namespace tlog::testing {
namespace {

using client::ServerState;

class SparesTest : public Rigged {
 protected:
  // Of `servers`, how many are being sent to.
  unsigned sending() {
    unsigned count = 0;
    for (const client::Marker& marker : rig.client().markers())
      count += marker.state == ServerState::kSending;
    return count;
  }
  std::size_t the_sending_one() {
    for (std::size_t i = 0; i < servers.size(); ++i) {
      if (rig.marker(i).state == ServerState::kSending) return i;
    }
    return servers.size();
  }
  std::uint64_t hellos() {
    std::uint64_t count = 0;
    for (auto& one : servers) count += one->hellos();
    return count;
  }
};

TEST_F(SparesTest, OneOfThemIsSentToAndItStaysSo) {
  make_servers(1);
  for (int i = 0; i < 2; ++i) add_server(logs[0]);
  ASSERT_TRUE(open(1));
  rig.append(100);
  ASSERT_TRUE(has_all(0, 100));
  ASSERT_TRUE(eventually([&] {
    unsigned spares = 0;
    for (const client::Marker& marker : rig.client().markers())
      spares += marker.reason.find("spare: it writes the same log as") != std::string::npos;
    return sending() == 1 && spares == 2;
  })) << rig.logger.lines();
  const std::uint64_t before = hellos();
  const Epoch epoch = logs[0]->epoch;
  for (int i = 0; i < 50; ++i) {
    rig.append(20);
    ASSERT_TRUE(rig.wait_stored(rig.end()));
  }
  EXPECT_EQ(hellos(), before);
  Epoch now = 0;
  server(0).call([&] { now = logs[0]->epoch; });
  EXPECT_EQ(now, epoch);
  ASSERT_TRUE(has_all(0, rig.end()));
}

TEST_F(SparesTest, ASpareGoesOnWhereAnotherDied) {
  make_servers(1);
  for (int i = 0; i < 2; ++i) add_server(logs[0]);
  ASSERT_TRUE(open(1));
  for (int round = 0; round < 20; ++round) {
    rig.append(30);
    ASSERT_TRUE(rig.wait_stored(rig.end())) << rig.client().waiting_for();
    std::size_t victim = 0;
    ASSERT_TRUE(eventually([&] {
      victim = the_sending_one();
      return victim < servers.size();
    }));
    server(victim).stop();
    rig.append(30);
    ASSERT_TRUE(rig.wait_stored(rig.end())) << round << rig.client().waiting_for();
    server(victim).start();
  }
  ASSERT_TRUE(has_all(0, rig.end()));
  EXPECT_EQ(rig.failures, 0);
}

TEST_F(SparesTest, TheyCountAsOne) {
  make_servers(2);
  add_server(logs[0]);
  ASSERT_TRUE(open(2));
  server(1).stop();
  rig.append(50);
  ASSERT_TRUE(has_all(0, 50));
  ASSERT_TRUE(eventually(
      [&] { return rig.client().waiting_for().find(server(1).address()) != std::string::npos; }));
  EXPECT_EQ(rig.client().stored(), 0U);
  server(1).start();
  ASSERT_TRUE(rig.wait_stored(50));
}

// What a server that is away had said of a log that was wiped since is said of nothing.
TEST_F(SparesTest, AWipedLogIsNotCountedBesideTheOneThatFollowsIt) {
  make_servers(2);
  add_server(logs[0]);
  ASSERT_TRUE(open(2));
  rig.append(50);
  ASSERT_TRUE(rig.wait_stored(50));
  server(1).script({.holds = true});
  rig.append(50);
  ASSERT_TRUE(has_all(0, 100));
  std::size_t dead = 0;
  ASSERT_TRUE(eventually([&] {
    dead = rig.marker(0).stored == 100 ? 0 : 2;
    return rig.marker(dead).stored == 100;
  }));
  const std::size_t other = 2 - dead;
  server(dead).stop();
  rig.append(50);
  ASSERT_TRUE(eventually([&] { return rig.marker(other).stored == 150; }));
  server(other).stop();
  server(other).call([&] {
    logs[0]->empty();
    logs[0]->id = log_number(99);
  });
  server(other).start();
  ASSERT_TRUE(has_all(other, 150));
  ASSERT_TRUE(eventually([&] { return rig.marker(other).stored == 150; }));
  EXPECT_EQ(rig.client().stored(), 50U) << "the wiped log was counted";
  server(1).store_received();
  EXPECT_TRUE(rig.wait_stored(150));
}

TEST_F(SparesTest, MoreLogsThanThereAreCannotBeWanted) {
  make_servers(1);
  add_server(logs[0]);
  auto opened = rig.open(options(2), 60'000'000'000);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
  EXPECT_NE(opened.error().message().find("the same log as"), std::string::npos)
      << opened.error().message();
}

TEST_F(SparesTest, ASpareThatComesLaterTakesTurnsOnceAtMost) {
  make_servers(1);
  add_server(logs[0]);
  server(1).stop();
  ASSERT_TRUE(open_existing(1));
  rig.append(50);
  ASSERT_TRUE(rig.wait_stored(50));
  server(1).start();
  // It is not known to write the same log: it opens it, and that fences the first.
  ASSERT_TRUE(eventually([&] { return rig.marker(1).state == ServerState::kSending; }));
  ASSERT_TRUE(eventually([&] { return rig.marker(0).reason.find("spare") != std::string::npos; }))
      << rig.logger.lines();
  rig.append(50);
  ASSERT_TRUE(has_all(0, 100));
  const std::uint64_t before = hellos();
  for (int i = 0; i < 20; ++i) {
    rig.append(20);
    ASSERT_TRUE(rig.wait_stored(rig.end()));
  }
  EXPECT_EQ(hellos(), before);
  EXPECT_EQ(rig.failures, 0);
}

}  // namespace
}  // namespace tlog::testing
