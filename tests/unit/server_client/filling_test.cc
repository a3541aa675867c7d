// Goal: a server that lacks what the source has let go gets it from another one, verified, and
// never what belongs to another history; if nobody has it that is said. Method: a source that keeps
// nothing that is stored (and more records than are kept to be sent), servers that are away,
// emptied, spoil what they are asked for, or die.
#include "tests/unit/server_client/rigged.h"

namespace tlog::testing {
namespace {

using client::ServerState;

class FillingTest : public Rigged {
 protected:
  void append_stored(std::uint64_t count) {
    rig.append(count);
    ASSERT_TRUE(rig.wait_stored(rig.end()));
    ASSERT_TRUE(eventually([&] { return rig.log.held_bytes() == 0; }));
  }
};

TEST_F(FillingTest, AServerThatWasAwayIsFilledFromAnother) {
  make_servers(3);
  server(2).stop();
  ASSERT_TRUE(open(2));
  append_stored(3000);
  server(2).start();
  ASSERT_TRUE(has_all(2, 3000));
  EXPECT_GE(server(0).reads() + server(1).reads(), 3U);
  rig.append(10);
  ASSERT_TRUE(has_all(2, 3010));
  EXPECT_TRUE(shows(2, ServerState::kSending, ""));
}

TEST_F(FillingTest, WhileItIsFilledTheOthersGoOn) {
  make_servers(3);
  server(2).stop();
  ASSERT_TRUE(open(2));
  append_stored(2000);
  server(2).start();
  for (int i = 0; i < 20; ++i) append_stored(50);
  ASSERT_TRUE(has_all(2, 3000));
}

TEST_F(FillingTest, AServerThatWasEmptiedIsFilledAgainAndStoredDoesNotGoBack) {
  make_servers(2);
  ASSERT_TRUE(open(1));
  append_stored(200);
  ASSERT_TRUE(has_all(1, 200));
  server(1).stop();
  server(1).call([&] { logs[1]->empty(); });
  server(1).start();
  ASSERT_TRUE(has_all(1, 200));
  EXPECT_TRUE(rig.logger.has("event=server-lost-records"));
  EXPECT_TRUE(rig.logger.has("stored_before=200 stored=0"));
  EXPECT_EQ(rig.client().stored(), 200U);
  ASSERT_TRUE(eventually([&] { return rig.marker(1).stored == 200; }));
}

TEST_F(FillingTest, WhatIsChangedOnTheWayIsNotForwarded) {
  make_servers(3);
  server(2).stop();
  ASSERT_TRUE(open(2));
  append_stored(1000);
  server(0).script({.spoils = true});
  server(1).script({.spoils = true});
  server(2).start();
  ASSERT_TRUE(eventually([&] { return rig.logger.has("event=catch-up-failed"); }));
  EXPECT_TRUE(server(2).stored().empty());
  server(1).script({});
  ASSERT_TRUE(has_all(2, 1000));
}

TEST_F(FillingTest, AReadIsGoneOnWithWhereAnotherHasDied) {
  make_servers(3);
  server(2).stop();
  ASSERT_TRUE(open(2));
  append_stored(1500);
  for (std::size_t i = 0; i < 2; ++i) server(i).script({.die = FakeMoment::kRead});
  server(2).start();
  ASSERT_TRUE(has_all(2, 1500));
}

TEST_F(FillingTest, AReaderThatSaysNothingIsLeft) {
  make_servers(3);
  server(2).stop();
  client::ClientOptions wanted = options(2);
  wanted.silence_ns = 60'000'000;
  ASSERT_TRUE(rig.open(wanted));
  append_stored(1000);
  const std::uint64_t hellos[] = {server(0).hellos(), server(1).hellos()};
  server(0).script({.silent = FakeMoment::kRead});
  server(1).script({.silent = FakeMoment::kRead});
  server(2).start();
  ASSERT_TRUE(
      eventually([&] { return server(0).hellos() > hellos[0] && server(1).hellos() > hellos[1]; }));
  EXPECT_TRUE(rig.logger.has("no sign of life"));
  ASSERT_TRUE(has_all(2, 1000));
}

TEST_F(FillingTest, WhoTakesNothingDoesNotKeepOthersFromBeingFilled) {
  make_servers(3);
  server(1).stop();
  server(2).stop();
  ASSERT_TRUE(open_existing(1));
  append_stored(6000);
  server(1).script({.deaf = true});
  server(1).start();
  ASSERT_TRUE(shows(1, ServerState::kCatchingUp, "read from"));
  server(2).start();
  ASSERT_TRUE(has_all(2, 6000));
  EXPECT_TRUE(server(1).stored().empty());
  server(1).script({});
  server(1).stop();
  server(1).start();
  ASSERT_TRUE(has_all(1, 6000));
}

TEST_F(FillingTest, TheOneThatIsFilledMayDieToo) {
  make_servers(2);
  server(1).stop();
  ASSERT_TRUE(open_existing(1));
  append_stored(1000);
  server(1).start();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(eventually([&] { return server(1).has_session(); }));
    server(1).stop();
    server(1).start();
  }
  ASSERT_TRUE(has_all(1, 1000));
}

TEST_F(FillingTest, WhatNobodyHasIsSaid) {
  make_servers(2);
  ASSERT_TRUE(open(1));
  append_stored(5);
  ASSERT_TRUE(has_all(1, 5));
  server(1).stop();
  append_stored(1000);
  server(0).stop();
  server(1).start();
  ASSERT_TRUE(shows(1, ServerState::kConnecting, "waiting for " + server(0).address()));
  EXPECT_NE(rig.marker(1).reason.find("it has the log up to 5"), std::string::npos);
  rig.append(1);
  EXPECT_NE(rig.client().waiting_for().find(server(0).address()), std::string::npos);
  server(0).start();
  ASSERT_TRUE(has_all(1, 1006));
}

// Nor is its log created while nobody has what belongs into it.
TEST_F(FillingTest, AServerWithoutTheLogWaitsForOneThatHasIt) {
  make_servers(2);
  server(1).stop();
  ASSERT_TRUE(open_existing(1));
  append_stored(1000);
  server(0).stop();
  server(1).call([&] { logs[1]->empty(); });
  server(1).start();
  ASSERT_TRUE(shows(1, ServerState::kRefused, "no connected server has the log up to 1000"));
  server(0).start();
  ASSERT_TRUE(has_all(1, 1000));
}

// A host that was taken over had sent a server what it could not acknowledge any more; the server
// was away since, and the new host has written other records in their place.
TEST_F(FillingTest, AServerOfAnotherHistoryIsNotMixedWithTheOthers) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  append_stored(50);
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(has_all(i, 50));
  server(2).stop();
  append_stored(100);
  server(2).call([&] {
    for (int i = 0; i < 20; ++i) logs[2]->stored.push_back({0, 4711, "never acknowledged"});
  });
  server(2).start();
  ASSERT_TRUE(shows(2, ServerState::kRefused, "record 70 is of another time"));
  append_stored(10);
  EXPECT_EQ(server(2).stored().size(), 70U);
  EXPECT_NE(rig.marker(2).reason.find("empty its stores"), std::string::npos);
}

// Nor is it believed because nobody is there for the moment who could tell.
TEST_F(FillingTest, AServerOfAnotherHistoryIsNotBelievedWhileTheOthersAreAway) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  append_stored(90);
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(has_all(i, 90));
  rig.close();
  server(0).stop();
  server(0).call([&] {
    for (int i = 0; i < 10; ++i) logs[0]->stored.push_back({0, 4711, "never acknowledged"});
  });
  ASSERT_TRUE(open(2));
  append_stored(2000);  // more than is kept to be sent
  for (std::size_t i = 1; i < 3; ++i) {
    server(i).stop();
    ASSERT_TRUE(shows(i, ServerState::kConnecting, ""));
  }
  rig.append(5);
  server(0).start();
  ASSERT_TRUE(shows(0, ServerState::kConnecting, "its newest record, 100, is to be compared"));
  EXPECT_EQ(server(0).stored().size(), 100U);
  EXPECT_EQ(rig.client().stored(), 2090U);
  for (std::size_t i = 1; i < 3; ++i) server(i).start();
  ASSERT_TRUE(rig.wait_stored(2095));
  ASSERT_TRUE(shows(0, ServerState::kRefused, "never acknowledged"));
  EXPECT_EQ(server(0).stored().size(), 100U);
}

// A server that this client has written is not another one when it comes back alone.
TEST_F(FillingTest, WhoWasComparedOnceIsBelievedWhileTheOthersAreAway) {
  make_servers(2);
  ASSERT_TRUE(open(1));
  append_stored(100);
  for (std::size_t i = 0; i < 2; ++i) ASSERT_TRUE(has_all(i, 100));
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 2; ++i) server(i).stop();
    server(0).start();
    rig.append(10);
    ASSERT_TRUE(rig.wait_stored(rig.end())) << rig.client().waiting_for();
  }
  server(1).start();
  ASSERT_TRUE(has_all(1, rig.end()));
}

// The same, with the record still in the source.
TEST_F(FillingTest, AnotherHistoryIsSeenByTheSource) {
  make_servers(2);
  rig.release = false;
  ASSERT_TRUE(open(1));
  rig.append(50);
  ASSERT_TRUE(has_all(1, 50));
  server(1).stop();
  rig.append(50);
  server(1).call([&] { logs[1]->stored.push_back({0, 4711, "never acknowledged"}); });
  server(1).start();
  ASSERT_TRUE(shows(1, ServerState::kRefused, "record 51 is of another time"));
  EXPECT_EQ(server(1).stored().size(), 51U);
}

// What it says that it has stored is of another history: it must not acknowledge anything.
TEST_F(FillingTest, AServerOfAnotherHistoryDoesNotCount) {
  make_servers(2);
  rig.release = false;
  ASSERT_TRUE(open(1));
  rig.append(50);
  for (std::size_t i = 0; i < 2; ++i) ASSERT_TRUE(has_all(i, 50));
  ASSERT_TRUE(rig.wait_stored(50));
  for (std::size_t i = 0; i < 2; ++i) server(i).stop();
  ASSERT_TRUE(eventually([&] {
    return rig.marker(0).state == ServerState::kConnecting &&
           rig.marker(1).state == ServerState::kConnecting;
  }));
  rig.append(50);
  server(1).call([&] {
    for (int i = 0; i < 30; ++i) logs[1]->stored.push_back({0, 4711, "never acknowledged"});
  });
  server(1).start();
  ASSERT_TRUE(shows(1, ServerState::kRefused, "another time"));
  EXPECT_EQ(rig.client().stored(), 50U);
  server(0).start();
  ASSERT_TRUE(rig.wait_stored(100));
}

}  // namespace
}  // namespace tlog::testing
