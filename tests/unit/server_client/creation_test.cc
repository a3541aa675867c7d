// Goal: a log is created only where it cannot be that it exists: never beside a server that says
// that it does, or that is away and could have it. Method: servers that know nothing of the log,
// beside one that refuses, or does not answer; what was created nobody asked for is looked for.
#include "tests/unit/server_client/rigged.h"

namespace tlog::testing {
namespace {

class CreationTest : public Rigged {
 protected:
  Error refusal(const client::ClientOptions& wanted, std::uint64_t timeout_ns = 60'000'000'000) {
    auto opened = rig.open(wanted, timeout_ns);
    EXPECT_FALSE(opened) << "served blank";
    return opened ? Error(Code::kShutdown, "opened") : opened.error();
  }
  bool exists(std::size_t index) {
    bool is = false;
    server(index).call([&] { is = logs[index]->exists; });
    return is;
  }
};

// The host's disk is lost; the new one knows nothing, and says another uuid, journal or key.
TEST_F(CreationTest, NotBesideAServerThatSaysThatTheLogExists) {
  for (const Code code : {Code::kInvalidArgument, Code::kWrongKey, Code::kFenced}) {
    servers.clear();
    logs.clear();
    make_servers(2);
    server(0).script({.refuse = protocol::Refusal{code, "it is another's"}});
    const Error error = refusal(options(1));
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_NE(error.message().find("it is another's"), std::string::npos) << error.message();
    EXPECT_FALSE(exists(1)) << "a foreign log is left there";
  }
}

TEST_F(CreationTest, NotWhileAServerIsAwayThatCouldHaveItAlone) {
  make_servers(2);
  server(0).stop();
  const Error error = refusal(options(1), 300'000'000);
  EXPECT_EQ(error.code(), Code::kUnavailable) << error.message();
  EXPECT_NE(error.message().find(server(0).address()), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("may exist"), std::string::npos) << error.message();
  EXPECT_FALSE(exists(1));
}

TEST_F(CreationTest, WaitsForTheServersThatCouldHaveIt) {
  make_servers(2);
  server(0).stop();
  std::thread later([&] {
    EXPECT_TRUE(eventually([&] { return server(1).hellos() > 0; }));
    server(0).start();
  });
  EXPECT_TRUE(open(1));
  later.join();
  EXPECT_TRUE(rig.client().created());
  rig.append(5);
  EXPECT_TRUE(has_all(0, 5));
  EXPECT_TRUE(has_all(1, 5));
}

// What two have stored cannot be missing at the two others.
TEST_F(CreationTest, SoManyMayBeAwayAsCannotHaveItAlone) {
  make_servers(3);
  server(0).stop();
  ASSERT_TRUE(open(2));
  EXPECT_TRUE(rig.client().created());
  rig.append(5);
  ASSERT_TRUE(rig.wait_stored(5));
  server(0).start();
  ASSERT_TRUE(has_all(0, 5));
}

// The servers that have it may not be the quickest to answer.
TEST_F(CreationTest, NotWhenOneHasIt) {
  make_servers(3);
  server(2).call([&] {
    logs[2]->exists = true;
    logs[2]->format = options(1).format;
    logs[2]->stored.push_back({0, 1, ClientRig::text_of(1)});
  });
  client::ClientOptions wanted = options(1);
  wanted.take_over = true;
  ASSERT_TRUE(rig.open(wanted));
  EXPECT_FALSE(rig.client().created());
  EXPECT_EQ(rig.client().head().sequence, 1U);
}

// A creation that was interrupted is gone on with.
TEST_F(CreationTest, WhereSomeHaveItEmptyTheOthersGetIt) {
  make_servers(3);
  ASSERT_TRUE(open(2));
  rig.close();
  server(1).call([&] { logs[1]->empty(); });
  ASSERT_TRUE(open(2));
  rig.append(5);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(has_all(i, 5)) << i;
}

}  // namespace
}  // namespace tlog::testing
