// Goal: what counts as stored is at as many servers as the write concern wants, each record once
// and in order, whatever one of them does. Method: servers of the test's own, which hold back, or
// store only what they are forced to.
#include <chrono>
#include <future>

#include "tests/unit/server_client/rigged.h"

namespace tlog::testing {
namespace {

using client::ServerState;

class ClientTest : public Rigged {};

TEST_F(ClientTest, AllServersGetAllRecords) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  EXPECT_TRUE(rig.client().created());
  rig.append(500);
  ASSERT_TRUE(rig.wait_stored(500));
  EXPECT_EQ(rig.client().stored(), 500U);
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(has_all(i, 500));
  EXPECT_TRUE(eventually([&] { return rig.told_stored == 500 && rig.told_received == 500; }));
  EXPECT_EQ(rig.client().waiting_for(), "");
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually([&] { return rig.marker(i).stored == 500; }));
    const client::Marker marker = rig.marker(i);
    EXPECT_EQ(marker.state, ServerState::kSending);
    EXPECT_EQ(marker.sent, 500U);
    EXPECT_EQ(marker.received, 500U);
    EXPECT_EQ(marker.connections, 1U);
    EXPECT_EQ(marker.resent_records, 0U);
    EXPECT_FALSE(marker.server.is_nil());
  }
}

TEST_F(ClientTest, RecordsAreCopiedAndHashedOnceForAll) {
  make_servers(3);
  rig.source.limit_ = 0;
  ASSERT_TRUE(open(3));
  for (auto& one : servers) ASSERT_TRUE(eventually([&] { return one->has_session(); }));
  rig.append(300);
  rig.source.limit_ = 300;
  rig.client().more();
  ASSERT_TRUE(rig.wait_stored(300));
  EXPECT_EQ(rig.source.records, 300U);
}

TEST_F(ClientTest, StoredNeedsAsManyAsTheWriteConcern) {
  make_servers(3);
  server(1).script({.holds = true});
  server(2).script({.holds = true});
  ASSERT_TRUE(open(2));
  rig.append(50);
  ASSERT_TRUE(has_all(0, 50));
  ASSERT_TRUE(
      eventually([&] { return rig.marker(1).received == 50 && rig.marker(0).stored == 50; }));
  EXPECT_EQ(rig.client().stored(), 0U);
  server(2).store_received();
  ASSERT_TRUE(rig.wait_stored(50));
}

TEST_F(ClientTest, ReceivedByManyIsToldBeforeItIsStored) {
  make_servers(3);
  for (auto& one : servers) one->script({.holds = true});
  client::ClientOptions wanted = options(2);
  wanted.concern.received = 2;
  ASSERT_TRUE(rig.open(wanted));
  rig.append(20);
  ASSERT_TRUE(eventually([&] { return rig.client().received() == 20; }));
  EXPECT_EQ(rig.client().stored(), 0U);
  for (auto& one : servers) one->store_received();
  ASSERT_TRUE(rig.wait_stored(20));
}

// Who asks wants to know what is there.
TEST_F(ClientTest, WhatWasReceivedIsGoneWithItsServers) {
  make_servers(3);
  for (auto& one : servers) one->script({.holds = true});
  client::ClientOptions wanted = options(2);
  wanted.concern.received = 2;
  ASSERT_TRUE(rig.open(wanted));
  rig.append(10);
  ASSERT_TRUE(eventually([&] { return rig.client().received() == 10; }));
  server(2).store_received();
  server(1).store_received();
  ASSERT_TRUE(rig.wait_stored(10));
  rig.append(10);
  ASSERT_TRUE(eventually([&] { return rig.client().received() == 20; }));
  for (auto& one : servers) one->stop();
  EXPECT_TRUE(eventually([&] { return rig.client().received() == 10; }));
  EXPECT_TRUE(eventually([&] { return rig.told_received == 10; }));
  EXPECT_EQ(rig.client().stored(), 10U);
  for (auto& one : servers) one->start();
  EXPECT_TRUE(eventually([&] { return rig.client().received() == 20; }));
}

TEST_F(ClientTest, ForceIsAskedOfEachServerForWhatItHasBeenSent) {
  make_servers(2);
  for (auto& one : servers) one->script({.asks_force = true});
  ASSERT_TRUE(open(2));
  for (Sequence end = 10; end <= 100; end += 10) {
    rig.append(10);
    rig.client().force(end);
    ASSERT_TRUE(rig.wait_stored(end)) << end;
  }
}

TEST_F(ClientTest, ForcesUnderWayAreFew) {
  make_servers(1);
  server(0).script({.holds = true});
  ASSERT_TRUE(open(1));
  for (Sequence end = 1; end <= 200; ++end) {
    rig.append(1);
    rig.client().force(end);
    ASSERT_TRUE(eventually([&] { return rig.marker(0).received == end; }));
  }
  EXPECT_EQ(server(0).forces(), 64U);
  server(0).script({.asks_force = true});
  server(0).store_received();
  ASSERT_TRUE(rig.wait_stored(200));
  rig.append(10);
  rig.client().force(210);
  ASSERT_TRUE(rig.wait_stored(210));
}

TEST_F(ClientTest, WhatIsForcedAndStaysAwayIsSaid) {
  make_servers(1);
  server(0).script({.holds = true});
  client::ClientOptions wanted = options(1);
  wanted.silence_ns = 100'000'000;
  ASSERT_TRUE(rig.open(wanted));
  rig.append(10);
  ASSERT_TRUE(eventually([&] { return rig.client().waiting_for().empty(); }));
  rig.client().force(10);
  ASSERT_TRUE(eventually([&] {
    return rig.client().waiting_for().find("it has received up to 10 and stored up to 0") !=
           std::string::npos;
  })) << rig.client().waiting_for();
  server(0).store_received();
  ASSERT_TRUE(rig.wait_stored(10));
  EXPECT_EQ(rig.client().waiting_for(), "");
}

TEST_F(ClientTest, ForceReachesAServerThatComesLater) {
  make_servers(2);
  for (auto& one : servers) one->script({.asks_force = true});
  server(1).stop();
  ASSERT_TRUE(open_existing(1));
  rig.append(10);
  rig.client().force(10);
  ASSERT_TRUE(rig.wait_stored(10));
  rig.release = false;
  server(1).start();
  ASSERT_TRUE(has_all(1, 10));
}

TEST_F(ClientTest, FramesAreNotLongerThanTheServerTakes) {
  make_servers(1);
  server(0).script({.batch_bytes_max = 1200});
  ASSERT_TRUE(open(1));
  rig.append(200);
  ASSERT_TRUE(has_all(0, 200));
  EXPECT_GT(server(0).batches(), 30U);
}

TEST_F(ClientTest, CloseStoresWhatWasSentAndSaysGoodbye) {
  make_servers(2);
  for (auto& one : servers) one->script({.asks_force = true});
  ASSERT_TRUE(open(2));
  rig.append(100);
  ASSERT_TRUE(eventually([&] { return rig.marker(0).sent == 100 && rig.marker(1).sent == 100; }));
  rig.close();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rig.difference(server(i).stored(), 100), "");
    EXPECT_TRUE(eventually([&] { return !server(i).has_session(); }));
  }
}

TEST_F(ClientTest, CloseDoesNotWaitLongerThanItMay) {
  make_servers(1);
  server(0).script({.holds = true});
  ASSERT_TRUE(open(1));
  rig.append(10);
  ASSERT_TRUE(eventually([&] { return rig.marker(0).received == 10; }));
  rig.close(20'000'000);
  EXPECT_TRUE(server(0).stored().empty());
}

TEST_F(ClientTest, ASourceThatFailsEndsTheSending) {
  make_servers(2);
  ASSERT_TRUE(open(2));
  rig.append(10);
  ASSERT_TRUE(rig.wait_stored(10));
  rig.source.broken = true;
  rig.append(10);
  ASSERT_TRUE(eventually([&] { return rig.failures == 1; }));
  EXPECT_EQ(rig.failure, Code::kCorruption);
  rig.source.broken = false;
  rig.append(1);
  rig.close();
  EXPECT_EQ(rig.failures, 1);
  EXPECT_EQ(server(0).stored().size(), 10U);
}

TEST_F(ClientTest, WaitsForTheStandbysOfAsManyServers) {
  make_servers(3);
  for (auto& one : servers) one->script({.standby = std::nullopt});
  server(2).script({});
  ASSERT_TRUE(open(2));
  rig.append(30);
  auto synced = rig.client().wait_slave_sync(30'000'000'000);
  ASSERT_TRUE(synced) << synced.error().message();
  EXPECT_EQ(*synced, 30U);
  server(1).script({});
  synced = rig.client().wait_slave_sync(30'000'000'000);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), Code::kNotSupported);
  EXPECT_NE(synced.error().message().find("no standby"), std::string::npos);
}

// What a server cannot say at the moment it is asked for again.
TEST_F(ClientTest, WaitsForAStandbyThatIsUnavailableForAWhile) {
  make_servers(1);
  server(0).script({.standby = Error(Code::kUnavailable, "it is starting")});
  ASSERT_TRUE(open(1));
  rig.append(30);
  auto waiting =
      std::async(std::launch::async, [&] { return rig.client().wait_slave_sync(30'000'000'000); });
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(600)), std::future_status::timeout)
      << "it has given up";
  server(0).script({.standby = std::nullopt});
  const auto synced = waiting.get();
  ASSERT_TRUE(synced) << synced.error().message();
  EXPECT_EQ(*synced, 30U);
}

TEST_F(ClientTest, WaitingForAStandbyThatStaysUnavailableSaysWhy) {
  make_servers(1);
  server(0).script({.standby = Error(Code::kUnavailable, "it is starting")});
  ASSERT_TRUE(open(1));
  rig.append(30);
  const auto synced = rig.client().wait_slave_sync(700'000'000);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), Code::kTimeout);
  EXPECT_NE(synced.error().message().find("it is starting"), std::string::npos)
      << synced.error().message();
}

TEST_F(ClientTest, WaitingForAStandbyEndsInTime) {
  make_servers(1);
  server(0).script({.holds = true, .standby = std::nullopt});
  ASSERT_TRUE(open(1));
  rig.append(1);
  server(0).script({.silent = FakeMoment::kRecords, .standby = std::nullopt});
  rig.append(1);
  auto synced = rig.client().wait_slave_sync(30'000'000);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), Code::kTimeout);
}

}  // namespace
}  // namespace tlog::testing
