// Goal: whatever one server does, the others go on, nothing is lost or doubled, and the one is back
// as soon as it behaves. Method: a server that dies, falls silent or talks garbage at each moment
// of a session.
#include "tests/support/test_clock.h"
#include "tests/unit/server_client/rigged.h"

namespace tlog::testing {
namespace {

using client::ServerState;

class TroubleTest : public Rigged {
 protected:
  // So often a server was taken for dead because it said nothing.
  std::size_t silences_noticed() const {
    const std::string lines = rig.logger.lines();
    std::size_t count = 0;
    for (const std::string_view what :
         {"no sign of life", "no Welcome within", "no Attached within"}) {
      for (std::size_t at = lines.find(what); at != std::string::npos;
           at = lines.find(what, at + 1))
        ++count;
    }
    return count;
  }
};

std::string name_of(FakeMoment moment) {
  return "moment " + std::to_string(static_cast<int>(moment));
}

TEST_F(TroubleTest, AServerThatDiesAtEachMomentIsBackAndComplete) {
  make_servers(3);
  rig.release = false;
  ASSERT_TRUE(open(2));
  for (const FakeMoment moment : kFakeMoments) {
    server(1).script({.die = moment});
    if (moment < FakeMoment::kRecords) server(1).disconnect(Code::kUnavailable, "again");
    rig.append(50);
    ASSERT_TRUE(rig.wait_stored(rig.end())) << name_of(moment);
    ASSERT_TRUE(has_all(1, rig.end())) << name_of(moment);
  }
  EXPECT_GE(rig.marker(1).connections, 4U);
  ASSERT_TRUE(has_all(0, rig.end()));
  ASSERT_TRUE(has_all(2, rig.end()));
}

TEST_F(TroubleTest, AServerThatFallsSilentAtEachMomentIsNoticed) {
  make_servers(2);
  rig.release = false;
  client::ClientOptions wanted = options(1);
  wanted.silence_ns = 60'000'000;
  wanted.connect_timeout_ns = 60'000'000;
  ASSERT_TRUE(rig.open(wanted));
  for (const FakeMoment moment : kFakeMoments) {
    const std::uint64_t hellos = server(1).hellos();
    const std::size_t noticed = silences_noticed();
    server(1).script({.silent = moment});
    if (moment < FakeMoment::kRecords) server(1).disconnect(Code::kUnavailable, "again");
    rig.append(20);
    ASSERT_TRUE(has_all(0, rig.end()));
    ASSERT_TRUE(eventually([&] { return silences_noticed() > noticed; })) << name_of(moment);
    ASSERT_TRUE(has_all(1, rig.end())) << name_of(moment);
    EXPECT_TRUE(eventually([&] { return server(1).hellos() > hellos; })) << name_of(moment);
  }
  EXPECT_TRUE(rig.logger.has("no sign of life"));
  EXPECT_TRUE(rig.logger.has("no Welcome within"));
}

TEST_F(TroubleTest, GarbageEndsTheSessionAndNoMore) {
  make_servers(2);
  rig.release = false;
  ASSERT_TRUE(open(1));
  for (const FakeMoment moment : {FakeMoment::kHello, FakeMoment::kWelcome, FakeMoment::kAttached,
                                  FakeMoment::kRecords, FakeMoment::kProgress}) {
    server(1).script({.garbage = moment});
    if (moment < FakeMoment::kRecords) server(1).disconnect(Code::kUnavailable, "again");
    rig.append(20);
    ASSERT_TRUE(has_all(0, rig.end())) << name_of(moment);
    ASSERT_TRUE(has_all(1, rig.end())) << name_of(moment);
  }
}

TEST_F(TroubleTest, WhoClaimsToHaveMoreThanItWasSentDoesNotCount) {
  make_servers(2);
  server(1).script({.lies = true});
  ASSERT_TRUE(open(1));
  rig.append(20);
  ASSERT_TRUE(shows(1, ServerState::kRefused, "was sent up to"));
  ASSERT_TRUE(rig.wait_stored(20));
  EXPECT_EQ(rig.client().stored(), 20U);
  EXPECT_EQ(rig.told_stored, 20U);
}

TEST_F(TroubleTest, AllServersAwayIsSaidAndThenItGoesOn) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  rig.append(30);
  ASSERT_TRUE(rig.wait_stored(30));
  for (auto& one : servers) one->stop();
  ASSERT_TRUE(shows(0, ServerState::kConnecting, ""));
  rig.append(30);
  ASSERT_TRUE(eventually([&] {
    const std::string why = rig.client().waiting_for();
    return why.find("0 of 2") != std::string::npos &&
           why.find(server(2).address()) != std::string::npos;
  }));
  EXPECT_EQ(rig.client().stored(), 30U);
  for (auto& one : servers) one->start();
  ASSERT_TRUE(rig.wait_stored(60));
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(has_all(i, 60));
  EXPECT_EQ(rig.client().waiting_for(), "");
}

TEST_F(TroubleTest, WhatWasReceivedAndNotStoredIsSentAgain) {
  make_servers(1);
  server(0).script({.holds = true});
  ASSERT_TRUE(open(1));
  rig.append(100);
  ASSERT_TRUE(eventually([&] { return rig.marker(0).received == 100; }));
  server(0).stop();
  server(0).script({});
  server(0).start();
  ASSERT_TRUE(rig.wait_stored(100));
  ASSERT_TRUE(has_all(0, 100));
  EXPECT_EQ(rig.marker(0).resent_records, 100U);
}

TEST_F(TroubleTest, AnotherClientThatTakesTheLogOverEndsThisOne) {
  make_servers(2);
  ASSERT_TRUE(open(2));
  rig.append(10);
  ASSERT_TRUE(rig.wait_stored(10));
  server(0).call([&] { logs[0]->journal = log_number(99); });
  server(0).disconnect(Code::kFenced, "taken over");
  ASSERT_TRUE(eventually([&] { return rig.failures == 1; }));
  EXPECT_EQ(rig.failure, Code::kFenced);
  // It keeps no session anywhere, and begins none.
  ASSERT_TRUE(eventually([&] { return !server(0).has_session() && !server(1).has_session(); }));
  rig.append(10);
  rig.close();
  EXPECT_EQ(server(0).stored().size(), 10U);
  EXPECT_EQ(logs[0]->journal, log_number(99));
}

TEST_F(TroubleTest, AServerThatKeepsHangingUpIsNotTriedWithoutEnd) {
  make_servers(2);
  ASSERT_TRUE(open(1));
  server(1).script({.refuse = protocol::Refusal{Code::kUnavailable, "not now"}});
  server(1).disconnect(Code::kUnavailable, "not now");
  const std::uint64_t before = server(1).hellos();
  // What doubles from 50 ms on, with its jitter, comes 4 times within 375 to 750 ms.
  const std::uint64_t began = system_clock().monotonic_ns();
  ASSERT_TRUE(eventually([&] { return server(1).hellos() >= before + 4; }));
  EXPECT_GE(system_clock().monotonic_ns() - began, 300'000'000U);
}

// As after the machine has slept: what servers have said meanwhile is still to be read.
TEST_F(TroubleTest, ItsOwnSleepIsNotTheirSilence) {
  TestClock clock(TestClock::Kind::kStands);
  rig.clock = &clock;
  make_servers(2);
  client::ClientOptions wanted = options(2);
  wanted.silence_ns = 100'000'000;
  ASSERT_TRUE(rig.open(wanted));
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t echoes = server(1).echoes();
    clock.pass(100'000'000'000);
    ASSERT_TRUE(eventually([&] { return server(1).echoes() >= echoes + 2; }));
  }
  EXPECT_EQ(rig.marker(0).connections, 1U);
  EXPECT_EQ(rig.marker(1).connections, 1U);
  EXPECT_FALSE(rig.logger.has("no sign of life")) << rig.logger.lines();
}

TEST_F(TroubleTest, KilledInTurnWhileRecordsCome) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  for (unsigned round = 0; round < 60; ++round) {
    FakeTlogserver& victim = server(round % 3);
    victim.script({.holds = round % 2 == 0});
    rig.append(17);
    victim.stop();
    rig.append(17);
    ASSERT_TRUE(rig.wait_stored(rig.end())) << round << rig.client().waiting_for();
    victim.script({});
    victim.start();
    if (round % 5 == 0) {
      ASSERT_TRUE(has_all(round % 3, rig.end())) << round;
    }
    // Two of three have to be there when the next one goes.
    ASSERT_TRUE(eventually([&] {
      return rig.marker(round % 3).state == ServerState::kSending &&
             rig.marker(round % 3).stored == rig.end();
    })) << round
        << rig.logger.lines();
  }
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(has_all(i, rig.end()));
}

}  // namespace
}  // namespace tlog::testing
