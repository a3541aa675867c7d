// The standby of a log that a server writes: two redis-servers follow a log of 4+2 on six others,
// whatever happens to them and to the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "server/standby/standbys.h"
#include "tests/fault/server/server_rig.h"
#include "tests/support/redis_server.h"
#include "tests/support/resp_client.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kPatienceNs = 20'000 * kMs;

class ServerFollow : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
    log_ = std::make_unique<RedisFleet>(kRigStores);
    standby_ = std::make_unique<RedisFleet>(2);
    rig_ = std::make_unique<ServerRig>();
    rig_->make_store = [this](const std::string& vdisk, unsigned index, io::Loop& loop) {
      store::RespStoreOptions options = reach((*log_)[index]);
      options.vdisk = vdisk;
      return std::move(store::open_resp_store(options, loop, rig_->logger()).value());
    };
    rig_->options().slave_sync = server::make_standbys(
        {{"vm1", {reach((*standby_)[0]), reach((*standby_)[1])}}},
        {.loop = &rig_->loop(), .workers = &rig_->workers(), .logger = &rig_->logger()});
    restart();
  }
  static store::RespStoreOptions reach(const RedisServer& server) {
    store::RespStoreOptions options;
    options.address = server.address();
    options.connect_timeout_ns = options.request_timeout_ns = 500 * kMs;
    options.backoff_max_ns = 200 * kMs;
    return options;
  }
  // The server, and its client, which goes on behind what is stored.
  void restart() {
    std::vector<SentRecord> model = client_ ? client_->model() : std::vector<SentRecord>();
    client_.reset();
    rig_->start();
    client_ = std::make_unique<SessionClient>(rig_->address(), rig_->hello());
    client_->enter();
    model.resize(client_->welcome().received);
    client_->adopt(std::move(model));
  }
  SessionClient& client() { return *client_; }
  Sequence write(unsigned count) {
    client_->write(count);
    return client_->sent();
  }
  protocol::Reply wait(std::uint64_t timeout_ns = kPatienceNs) {
    return client_->ask(protocol::WaitSlaveSync{.id = 0, .timeout_ns = timeout_ns});
  }
  ::testing::AssertionResult in_sync(Sequence sequence) {
    client_->wait_received(sequence);
    const protocol::Reply reply = wait();
    if (reply.error) return ::testing::AssertionFailure() << reply.error->message();
    if (reply.sequences.at(0) < sequence)
      return ::testing::AssertionFailure() << "it answers for " << reply.sequences[0];
    return standby_is_right();
  }
  std::string key() const { return "blocks:vm1:" + rig_->hello().format.vdisk.text(); }
  // What the servers have, asked by a client that knows nothing but the format, is what was sent.
  ::testing::AssertionResult standby_is_right() {
    std::map<std::uint64_t, const std::string*> wanted;
    for (const SentRecord& sent : client_->model()) wanted[sent.offset / 4096] = &sent.data;
    RespClient servers[] = {RespClient((*standby_)[0].address()),
                            RespClient((*standby_)[1].address())};
    for (const auto& [block, data] : wanted) {
      if (servers[block % 2].command({"HGET", key(), std::to_string(block)}) != *data)
        return ::testing::AssertionFailure() << "block " << block << " differs";
    }
    return ::testing::AssertionSuccess();
  }
  server::SlaveSync::Standby::State state() { return rig_->session().standby; }
  bool becomes(const std::string& name) {
    return rig_->wait_until([&] { return state().name == name; });
  }
  void pause_standby() {
    for (std::size_t i = 0; i < 2; ++i) (*standby_)[i].pause();
  }
  void resume_standby() {
    for (std::size_t i = 0; i < 2; ++i) (*standby_)[i].resume();
  }

  std::unique_ptr<RedisFleet> log_;
  std::unique_ptr<RedisFleet> standby_;
  std::unique_ptr<ServerRig> rig_;
  std::unique_ptr<SessionClient> client_;
};

// What was received before the request counts, stored by then or not; the configuration asks for
// it, not the client.
TEST_F(ServerFollow, the_standby_gets_everything_that_was_received) {
  EXPECT_TRUE(client().welcome().settings.slave_sync);
  EXPECT_TRUE(in_sync(write(203)));
  EXPECT_EQ(client().progress().synced, 203U);
  EXPECT_EQ(state().name, "in sync");
  EXPECT_EQ(state().has, 203U);
  for (int i = 0; i < 20; ++i) write(50);
  EXPECT_TRUE(in_sync(1'203));
  rig_->expect_log("vm1", client().model());
}

TEST_F(ServerFollow, who_comes_back_is_told_what_the_standby_has) {
  EXPECT_TRUE(in_sync(write(7)));
  SessionClient back(rig_->address(), rig_->hello());
  EXPECT_EQ(back.enter().received, 7U);
  const auto progress = back.control().expect<protocol::Progress>();
  EXPECT_EQ(progress.synced, 7U);
  EXPECT_EQ(progress.stored, 7U);
}

TEST_F(ServerFollow, waits_of_sessions_that_have_ended_do_not_pile_up) {
  pause_standby();
  write(1);
  const auto ask_often = [this](unsigned times) {
    for (unsigned i = 0; i < times; ++i) {
      client_->control().say(
          protocol::WaitSlaveSync{.id = 100 + i, .timeout_ns = kPatienceNs * 100});
    }
  };
  for (int session = 0; session < 4; ++session) {
    ask_often(64);
    client_->ask(protocol::StatusRequest{});  // all are there
    client_ = std::make_unique<SessionClient>(rig_->address(), rig_->hello());
    client_->enter();
    client_->adopt(std::vector<SentRecord>(1));
  }
  const protocol::Reply reply = wait();
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code(), Code::kUnavailable);
  EXPECT_THAT(reply.error->message(), HasSubstr("256 wait already"));
  resume_standby();
  EXPECT_TRUE(rig_->wait_until([this] { return !wait(100 * kMs).error; }));
}

TEST_F(ServerFollow, who_only_reads_can_wait_for_it_too) {
  client().wait_received(write(30));
  SessionClient reader(rig_->address(), rig_->reader());
  reader.enter(/*attach=*/false);
  const protocol::Reply reply =
      reader.ask(protocol::WaitSlaveSync{.id = 0, .timeout_ns = kPatienceNs});
  ASSERT_FALSE(reply.error) << reply.error->message();
  EXPECT_EQ(reply.sequences, std::vector<Sequence>{30});
  EXPECT_TRUE(standby_is_right());
  client().say_goodbye();
  ASSERT_TRUE(rig_->wait_until([&] { return rig_->server().status().sessions.size() == 1; }));
  const protocol::Reply nobody = reader.ask(protocol::WaitSlaveSync{.id = 0, .timeout_ns = kMs});
  ASSERT_TRUE(nobody.error);
  EXPECT_EQ(nobody.error->code(), Code::kNotFound) << nobody.error->message();
}

TEST_F(ServerFollow, a_vdisk_without_one_is_told_what_is_missing) {
  protocol::Hello hello = rig_->hello("vm2", 2);
  hello.settings.slave_sync = true;
  SessionClient other(rig_->address(), hello);
  EXPECT_FALSE(other.enter().settings.slave_sync);
  const protocol::Reply reply = other.ask(protocol::WaitSlaveSync{.id = 0, .timeout_ns = kMs});
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code(), Code::kNotSupported);
  EXPECT_THAT(reply.error->message(), HasSubstr("slaveStorage"));
}

TEST_F(ServerFollow, a_stopped_standby_holds_nobody_and_is_told_the_truth_of) {
  ASSERT_TRUE(in_sync(write(20)));
  pause_standby();
  for (int i = 0; i < 10; ++i) write(50);
  EXPECT_EQ(client().flush(520), 520U);
  const protocol::Reply late = wait(300 * kMs);
  ASSERT_TRUE(late.error);
  EXPECT_EQ(late.error->code(), Code::kTimeout);
  EXPECT_THAT(late.error->message(), HasSubstr("sequence 20, 520 was to be reached"));
  EXPECT_EQ(client().progress().synced, 20U);
  ASSERT_TRUE(becomes("waiting"));
  EXPECT_THAT(state().reason, HasSubstr("no reply"));
  resume_standby();
  EXPECT_TRUE(in_sync(520));
}

// Its end does not wait for servers that do not answer, and loses nothing.
TEST_F(ServerFollow, a_stopped_standby_does_not_keep_the_server_from_ending) {
  ASSERT_TRUE(in_sync(write(20)));
  pause_standby();
  client().wait_received(write(100));
  client().control().say(protocol::WaitSlaveSync{.id = 7, .timeout_ns = kPatienceNs});
  EXPECT_TRUE(rig_->stop());
  const auto reply = client().control().expect<protocol::Reply>();
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code(), Code::kShutdown);
  resume_standby();
  restart();
  EXPECT_EQ(client().welcome().stored.sequence, 120U);
  EXPECT_TRUE(in_sync(120));
}

// It goes on where the standby is, and a late batch of before brings nothing old back.
TEST_F(ServerFollow, a_server_that_was_killed_goes_on) {
  ASSERT_TRUE(in_sync(write(100)));
  const std::string begun = "event=standby_begun";
  const auto count = [&] {
    const std::string lines = rig_->logger().lines();
    std::size_t found = 0;
    for (std::size_t at = 0; (at = lines.find(begun, at)) != std::string::npos; ++at) ++found;
    return found;
  };
  EXPECT_EQ(count(), 2U) << "both servers were empty";
  for (int round = 0; round < 3; ++round) {
    write(70);
    client().flush(client().sent());
    rig_->kill();
    restart();
  }
  const Sequence stored = client().welcome().stored.sequence;
  EXPECT_EQ(stored, 310U);
  EXPECT_TRUE(in_sync(write(10)));
  EXPECT_EQ(count(), 2U) << rig_->logger().lines();
}

TEST_F(ServerFollow, a_wiped_standby_is_filled_again) {
  ASSERT_TRUE(in_sync(write(150)));
  ASSERT_EQ((*standby_)[1].command({"FLUSHALL"}), "OK");
  EXPECT_TRUE(in_sync(150)) << "nothing was written since";
  ASSERT_EQ((*standby_)[0].command({"FLUSHALL"}), "OK");
  EXPECT_TRUE(in_sync(write(50)));
}

TEST_F(ServerFollow, a_full_standby_says_so_and_goes_on_when_there_is_room) {
  ASSERT_TRUE(in_sync(write(50)));
  (*standby_)[1].command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(client().flush(write(50)), 100U);
  ASSERT_TRUE(becomes("waiting"));
  EXPECT_THAT(state().reason, HasSubstr((*standby_)[1].address()));
  (*standby_)[1].command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(in_sync(100));
}

// {epoch, sequence, chain hash}: what another history of the vdisk has brought is not written over.
TEST_F(ServerFollow, a_standby_of_another_history_is_left_as_it_is_until_it_is_emptied) {
  ASSERT_TRUE(in_sync(write(50)));
  client().say_goodbye();
  client_.reset();
  ASSERT_TRUE(rig_->stop());
  std::string other = (*standby_)[1].command({"HGET", key(), "chain"});
  other.back() = other.back() == '0' ? '1' : '0';
  (*standby_)[1].command({"HSET", key(), "chain", other});
  rig_->start();
  client_ = std::make_unique<SessionClient>(rig_->address(), rig_->hello());
  client().enter();
  EXPECT_EQ(client().flush(write(10)), 60U) << "nobody but the standby is concerned";
  ASSERT_TRUE(becomes("diverged")) << state().reason;
  const protocol::Reply refused = wait();
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code(), Code::kUnavailable);
  EXPECT_THAT(refused.error->message(), HasSubstr((*standby_)[1].address()));
  EXPECT_THAT(refused.error->message(), HasSubstr("empty"));
  EXPECT_EQ((*standby_)[1].command({"HGET", key(), "chain"}), other);
  ASSERT_EQ((*standby_)[1].command({"DEL", key()}), "1");
  EXPECT_TRUE(rig_->wait_until([&] { return state().name == "in sync" && state().has == 60; }));
}

}  // namespace
}  // namespace tlog::testing
