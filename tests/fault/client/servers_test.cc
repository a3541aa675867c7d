// Goal: among real servers nothing is lost or doubled when one is killed, cut off, emptied or away
// for long. Method: servers in the test's process on stores in memory; their logs are read back
// from the stores.
#include "tests/fault/client/served.h"

namespace tlog::testing {
namespace {

using client::ServerState;

class ClientServersTest : public Served {};

TEST_F(ClientServersTest, EachServerHasAWholeLog) {
  make_servers(3);
  ASSERT_TRUE(open(3));
  EXPECT_TRUE(rig.client().created());
  rig.append(1000);
  ASSERT_TRUE(stored(1000));
  check_all_logs();
}

TEST_F(ClientServersTest, AServerThatIsKilledIsSentWhatItHadNotStored) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  for (unsigned round = 0; round < 6; ++round) {
    rig.append(100);
    kill(round % 3);
    rig.append(100);
    ASSERT_TRUE(stored(rig.end()));
    start(round % 3);
    ASSERT_TRUE(complete(round % 3));
  }
  check_all_logs();
}

TEST_F(ClientServersTest, WhatIsCutIsSentAgain) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  for (unsigned round = 0; round < 6; ++round) {
    rig.append(100);
    proxies[round % 3]->close_connections();
    rig.append(100);
    ASSERT_TRUE(stored(rig.end()));
  }
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(complete(i));
  check_all_logs();
}

TEST_F(ClientServersTest, ASilentNetworkIsNoticed) {
  make_servers(2);
  client::ClientOptions wanted = options(1);
  wanted.silence_ns = 300'000'000;
  ASSERT_TRUE(rig.open(wanted));
  rig.append(100);
  ASSERT_TRUE(complete(1));
  Faults faults;
  faults.black_hole = true;
  proxies[1]->set(faults);
  rig.append(100);
  ASSERT_TRUE(eventually([&] { return rig.marker(1).state == ServerState::kConnecting; }));
  EXPECT_TRUE(rig.logger.has("no sign of life"));
  ASSERT_TRUE(stored(200));
  proxies[1]->close_connections();
  proxies[1]->heal();
  ASSERT_TRUE(complete(1));
  check_all_logs();
}

TEST_F(ClientServersTest, AServerThatWasAwayIsFilledFromAnother) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  rig.append(50);
  ASSERT_TRUE(complete(2));
  kill(2);
  rig.append(2500);
  ASSERT_TRUE(stored(rig.end()));
  ASSERT_TRUE(eventually([&] { return rig.log.held_bytes() == 0; }));
  start(2);
  rig.append(10);
  ASSERT_TRUE(complete(2));
  check_all_logs();
}

TEST_F(ClientServersTest, AnEmptiedServerIsFilledFromAnother) {
  make_servers(2);
  ASSERT_TRUE(open(1));
  rig.append(300);
  ASSERT_TRUE(complete(0));
  ASSERT_TRUE(complete(1));
  kill(0);
  for (auto& store : servers[0]->contents(std::string(kServedVdisk)).stores)
    store->edit([](auto& values) { values.clear(); });
  start(0);
  ASSERT_TRUE(eventually([&] { return rig.logger.has("event=server-lost-records"); }));
  ASSERT_TRUE(complete(0));
  EXPECT_EQ(rig.client().stored(), 300U);
  check_all_logs();
}

TEST_F(ClientServersTest, AllServersDownIsSaidAndThenItGoesOn) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  rig.append(100);
  ASSERT_TRUE(stored(100));
  for (std::size_t i = 0; i < 3; ++i) kill(i);
  rig.append(100);
  ASSERT_TRUE(
      eventually([&] { return rig.client().waiting_for().find("0 of 2") != std::string::npos; }));
  for (std::size_t i = 0; i < 3; ++i) start(i);
  ASSERT_TRUE(stored(200));
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(complete(i));
  EXPECT_EQ(rig.client().waiting_for(), "");
  check_all_logs();
}

TEST_F(ClientServersTest, StoresThatDoNotAnswerAreWaitedForAndNamed) {
  make_servers(1);
  client::ClientOptions wanted = options(1);
  wanted.silence_ns = 300'000'000;
  ASSERT_TRUE(rig.open(wanted));
  rig.append(100);
  ASSERT_TRUE(stored(100));
  servers[0]->contents(std::string(kServedVdisk)).refuse(true);
  rig.append(100);
  rig.client().force(200);
  ASSERT_TRUE(eventually([&] {
    return rig.client().waiting_for().find("it has received up to 200 and stored up to 100") !=
           std::string::npos;
  })) << rig.client().waiting_for();
  servers[0]->contents(std::string(kServedVdisk)).refuse(false);
  ASSERT_TRUE(stored(200));
  check_all_logs();
}

TEST_F(ClientServersTest, ANewClientGoesOnWhereTheLastOneEnded) {
  make_servers(2);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(open(2));
    EXPECT_EQ(rig.client().head().sequence, rig.end());
    EXPECT_EQ(rig.client().created(), i == 0);
    rig.append(111);
    ASSERT_TRUE(stored(rig.end()));
    rig.close();
  }
  ASSERT_TRUE(open(2));
  check_all_logs();
}

TEST_F(ClientServersTest, AnotherClientMayTakeTheLogOver) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  rig.append(200);
  ASSERT_TRUE(stored(200));
  client::ClientOptions wanted = options(2);
  wanted.journal = system_random().next_uuid();
  auto refused = client::LogClient::open(wanted, rig.parts(), 60'000'000'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFenced) << refused.error().message();
  wanted.take_over = true;
  client::LogClient::Parts parts = rig.parts();
  parts.on_stored = parts.on_received = {};
  parts.on_failed = {};
  auto taken = client::LogClient::open(wanted, parts, 60'000'000'000);
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ((*taken)->head().sequence, 200U);
  ASSERT_TRUE(eventually([&] { return rig.failures == 1; }));
  EXPECT_EQ(rig.failure, Code::kFenced);
  // The one that was taken over from stores nothing more.
  rig.append(10);
  (*taken)->close(20'000'000'000);
  rig.close();
  for (std::size_t i = 0; i < 3; ++i) {
    kill(i);
    EXPECT_EQ(count_stored(i), 200U);
  }
}

}  // namespace
}  // namespace tlog::testing
