// Goal: a client opens when as many servers as it wants have this log, and else says of each why
// not. Method: servers of the test's own that have the log, lack it, or refuse.
#include "tests/unit/server_client/rigged.h"

namespace tlog::testing {
namespace {

using client::ServerState;

class OpeningTest : public Rigged {
 protected:
  // All servers have `count` records, and the client is gone.
  void fill(Sequence count) {
    ASSERT_TRUE(open(static_cast<unsigned>(servers.size())));
    rig.append(count);
    ASSERT_TRUE(rig.wait_stored(rig.end()));
    rig.close();
  }
  Error refusal(const client::ClientOptions& wanted, std::uint64_t timeout_ns = 30'000'000'000) {
    auto opened = rig.open(wanted, timeout_ns);
    EXPECT_FALSE(opened);
    return opened ? Error(Code::kShutdown, "opened") : opened.error();
  }
};

TEST_F(OpeningTest, TellsWhereTheLogEnds) {
  make_servers(3);
  fill(40);
  ASSERT_TRUE(open(3));
  EXPECT_EQ(rig.client().head().sequence, 40U);
  EXPECT_NE(rig.client().head().timestamp, 0U);
  EXPECT_FALSE(rig.client().created());
  rig.append(10);
  ASSERT_TRUE(has_all(0, 50));
  ASSERT_TRUE(has_all(2, 50));
}

TEST_F(OpeningTest, ServersThatAreAwayAreNotWaitedForWhenEnoughAreThere) {
  make_servers(3);
  server(1).stop();
  ASSERT_TRUE(open(2));
  EXPECT_TRUE(shows(1, ServerState::kConnecting, "connect"));
  rig.append(10);
  ASSERT_TRUE(rig.wait_stored(10));
}

TEST_F(OpeningTest, TooFewServersAreNamedWithTheirReasons) {
  make_servers(3);
  server(1).stop();
  server(2).stop();
  const Error error = refusal(options(2), 300'000'000);
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_NE(error.message().find(server(1).address()), std::string::npos) << error.message();
  EXPECT_NE(error.message().find(server(2).address()), std::string::npos) << error.message();
}

TEST_F(OpeningTest, WaitsForAServerThatComes) {
  make_servers(2);
  server(1).stop();
  std::thread later([&] {
    EXPECT_TRUE(eventually([&] { return server(0).hellos() > 0; }));
    server(1).start();
  });
  EXPECT_TRUE(open(2));
  later.join();
}

// Enough servers are there at once, but what the journal has let go is at the one that comes later.
TEST_F(OpeningTest, WaitsForAServerThatHasWhatTheJournalHasLetGo) {
  make_servers(2);
  server(1).stop();
  ASSERT_TRUE(open_existing(1));
  rig.append(30);
  ASSERT_TRUE(rig.wait_stored(30));
  rig.close();
  server(0).stop();
  server(1).start();
  client::ClientOptions wanted = options(1);
  wanted.needed = 30;
  const Error error = refusal(wanted, 300'000'000);
  EXPECT_EQ(error.code(), Code::kUnavailable) << error.message();
  EXPECT_NE(error.message().find("begins at 31 here"), std::string::npos) << error.message();
  const std::uint64_t hellos = server(1).hellos();
  std::thread later([&] {
    EXPECT_TRUE(eventually([&] { return server(1).hellos() > hellos; }));
    server(0).start();
  });
  EXPECT_TRUE(rig.open(wanted));
  later.join();
  ASSERT_TRUE(rig.is_open());
  EXPECT_EQ(rig.client().head().sequence, 30U);
  ASSERT_TRUE(has_all(1, 30));
}

TEST_F(OpeningTest, WhatAServerRefusesForGoodIsToldAtOnce) {
  for (const Code code :
       {Code::kInvalidArgument, Code::kWrongKey, Code::kNotSupported, Code::kFenced}) {
    servers.clear();
    logs.clear();
    make_servers(2);
    server(0).script({.refuse = protocol::Refusal{code, "because of a test"}});
    const Error error = refusal(options(2), 60'000'000'000);
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_NE(error.message().find("because of a test"), std::string::npos) << error.message();
  }
}

TEST_F(OpeningTest, WhatIsRefusedForNowIsTriedAgain) {
  make_servers(1);
  server(0).script({.refuse = protocol::Refusal{Code::kUnavailable, "too few stores"}});
  std::thread later([&] {
    EXPECT_TRUE(eventually([&] { return server(0).hellos() > 2; }));
    server(0).script({});
  });
  EXPECT_TRUE(open(1));
  later.join();
}

TEST_F(OpeningTest, NobodyHasTheLogAndItMayNotBeCreated) {
  make_servers(2);
  client::ClientOptions wanted = options(1);
  wanted.may_create = false;
  const Error error = refusal(wanted, 60'000'000'000);
  EXPECT_EQ(error.code(), Code::kNotFound) << error.message();
  EXPECT_FALSE(logs[0]->exists);
}

TEST_F(OpeningTest, AServerWithoutTheLogGetsItFromOneThatHasIt) {
  make_servers(3);
  fill(60);
  server(1).call([&] { logs[1]->empty(); });
  client::ClientOptions wanted = options(3);
  wanted.may_create = false;
  ASSERT_TRUE(rig.open(wanted));
  EXPECT_FALSE(rig.client().created());
  EXPECT_EQ(rig.client().head().sequence, 60U);
  ASSERT_TRUE(has_all(1, 60));
  rig.append(5);
  ASSERT_TRUE(has_all(1, 65));
}

TEST_F(OpeningTest, AnEmptiedOnlyServerIsNotTakenForANewLog) {
  make_servers(1);
  fill(30);
  server(0).call([&] { logs[0]->empty(); });
  ASSERT_TRUE(open(1));
  EXPECT_TRUE(shows(0, ServerState::kRefused, "the journal begins at"));
  rig.append(1);
  EXPECT_NE(rig.client().waiting_for().find("bring back"), std::string::npos);
  EXPECT_TRUE(server(0).stored().empty());
}

TEST_F(OpeningTest, AServerWithMoreThanTheJournalIsOfAnotherLife) {
  make_servers(2);
  fill(30);
  server(0).call([&] { logs[0]->stored.push_back({0, 1, "what nobody wrote"}); });
  ASSERT_TRUE(open(1));
  EXPECT_TRUE(shows(0, ServerState::kRefused, "another life of this journal"));
  rig.append(5);
  ASSERT_TRUE(has_all(1, 35));
  EXPECT_EQ(server(0).stored().size(), 31U);
}

TEST_F(OpeningTest, AnotherJournalsLogIsTakenOverOnlyWhenAskedTo) {
  make_servers(2);
  fill(10);
  for (auto& one : servers)
    one->call([&] {
      for (auto& log : logs) log->journal = log_number(77);
    });
  EXPECT_EQ(refusal(options(2)).code(), Code::kFenced);
  client::ClientOptions wanted = options(2);
  wanted.take_over = true;
  ASSERT_TRUE(rig.open(wanted));
  rig.append(5);
  ASSERT_TRUE(has_all(0, 15));
}

TEST_F(OpeningTest, WhoTakesOverNeedsAllThatCouldHaveTheNewest) {
  make_servers(3);
  fill(10);
  for (auto& log : logs) server(0).call([&] { log->journal = log_number(77); });
  client::ClientOptions wanted = options(2);
  wanted.take_over = true;
  server(2).stop();
  ASSERT_TRUE(rig.open(wanted));  // what was acknowledged is at one of the two
  rig.close();
  for (auto& log : logs) server(0).call([&] { log->journal = log_number(78); });
  wanted.concern.stored = 1;  // it could be at the third alone
  const Error error = refusal(wanted, 300'000'000);
  EXPECT_EQ(error.code(), Code::kUnavailable) << error.message();
}

// Of who took the log over nobody knows more than the servers do.
TEST_F(OpeningTest, WhatOneServerHasAloneIsNotStored) {
  make_servers(3);
  fill(10);
  server(0).call([&] {
    logs[0]->stored.push_back({0, logs[0]->stored.back().timestamp, ClientRig::text_of(11)});
  });
  for (const std::size_t i : {1U, 2U}) server(i).script({.holds = true});
  client::ClientOptions wanted = options(2);
  wanted.take_over = true;
  client::MemoryLog log({});
  std::atomic<Sequence> told{0};
  client::LogClient::Parts parts = rig.parts();
  parts.on_stored = [&](Sequence sequence) { told = sequence; };
  auto opened = client::LogClient::open(wanted, parts, 30'000'000'000);
  ASSERT_TRUE(opened) << opened.error().message();
  client::LogClient& client = **opened;
  ASSERT_EQ(client.head().sequence, 11U);
  log.begin_behind(client.head());
  client.start(log, 0);
  EXPECT_TRUE(eventually([&] {
    const auto markers = client.markers();
    return markers[1].received == 11 && markers[2].received == 11;
  })) << "they are filled from the one";
  EXPECT_EQ(client.stored(), 10U);
  for (const std::size_t i : {1U, 2U}) server(i).call([&] { server(i).store_received(); });
  EXPECT_TRUE(eventually([&] { return told == 11; }));
  EXPECT_TRUE(eventually([&] { return client.waiting_for().empty(); }));
  client.close(0);
}

TEST_F(OpeningTest, OptionsThatCannotBeAreRefused) {
  make_servers(2);
  EXPECT_EQ(refusal(rig.options({}, 1)).code(), Code::kInvalidArgument);
  EXPECT_EQ(refusal(options(3)).code(), Code::kInvalidArgument);
  EXPECT_EQ(refusal(options(0)).code(), Code::kInvalidArgument);
  EXPECT_EQ(refusal(rig.options({server(0).address(), server(0).address()}, 1)).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace tlog::testing
