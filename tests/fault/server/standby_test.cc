// A client that asks for a standby, of servers that keep one and that do not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "tests/fault/server/server_rig.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

TEST(Standby, is_not_waited_for_where_none_is_kept) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  const protocol::Reply reply = client.ask(protocol::WaitSlaveSync{.id = 0, .timeout_ns = 1'000});
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code(), Code::kNotSupported);
  EXPECT_THAT(reply.error->message(), HasSubstr("--with-slave-sync"));
}

// Standbys that are as far as the log, and `ahead` further: they have seen in the stores what the
// server has not been told yet.
class PromptStandbys final : public server::SlaveSync {
 public:
  explicit PromptStandbys(std::atomic<int>& followed, Sequence ahead = 0)
      : followed_(followed), ahead_(ahead) {}
  Result<std::unique_ptr<Standby>> follow(server::ServedLog&,
                                          std::function<void(Sequence)> on_synced) override {
    ++followed_;
    return std::make_unique<One>(std::move(on_synced), followed_, ahead_);
  }

 private:
  class One final : public Standby {
   public:
    One(std::function<void(Sequence)> on_synced, std::atomic<int>& followed, Sequence ahead)
        : on_synced_(std::move(on_synced)), followed_(followed), ahead_(ahead) {}
    ~One() override { --followed_; }
    void stored(Sequence sequence) override {
      if (sequence == 0) return;
      synced_ = sequence + ahead_;
      on_synced_(synced_);
      for (auto& [target, done] : std::exchange(waiting_, {})) wait(target, 0, std::move(done));
    }
    Sequence synced() const override { return synced_; }
    void wait(Sequence target, std::uint64_t, Done done) override {
      if (synced_ >= target) return done(synced_);
      waiting_.emplace(target, std::move(done));
    }

   private:
    const std::function<void(Sequence)> on_synced_;
    std::atomic<int>& followed_;
    const Sequence ahead_;
    Sequence synced_ = 0;
    std::multimap<Sequence, Done> waiting_;
  };
  std::atomic<int>& followed_;
  const Sequence ahead_;
};

TEST(Standby, is_waited_for_where_one_is_kept) {
  std::atomic<int> followed{0};
  ServerRig rig([&](server::ServerOptions& options) {
    options.slave_sync = std::make_shared<PromptStandbys>(followed);
  });
  SessionClient without = rig.client("vm2");
  without.enter();
  EXPECT_EQ(followed.load(), 0) << "it was not asked for";
  protocol::Hello hello = rig.hello();
  hello.settings.slave_sync = true;
  SessionClient client(rig.address(), hello);
  EXPECT_TRUE(client.enter().settings.slave_sync);
  EXPECT_EQ(followed.load(), 1);
  client.write(4);
  client.wait_received(4);
  const protocol::Reply reply =
      client.ask(protocol::WaitSlaveSync{.id = 0, .timeout_ns = 1'000'000'000});
  ASSERT_FALSE(reply.error) << reply.error->message();
  EXPECT_EQ(reply.sequences, std::vector<Sequence>{4});
  EXPECT_EQ(client.progress().synced, 4u);
  client.say_goodbye();
  EXPECT_TRUE(rig.wait_until([&] { return followed.load() == 0; }));
}

// `synced <= stored <= received`, whoever hears first.
TEST(Standby, that_is_ahead_of_the_servers_news_is_not_told_before_them) {
  std::atomic<int> followed{0};
  ServerRig rig([&](server::ServerOptions& options) {
    options.slave_sync = std::make_shared<PromptStandbys>(followed, 1'000);
  });
  protocol::Hello hello = rig.hello();
  hello.settings.slave_sync = true;
  SessionClient client(rig.address(), hello);
  client.enter();
  for (int i = 0; i < 20; ++i) client.write(5);
  EXPECT_EQ(client.flush(100), 100u);
  EXPECT_EQ(client.progress().synced, 100u);
}

TEST(Standby, too_many_waits_are_refused) {
  std::atomic<int> followed{0};
  ServerRig rig([&](server::ServerOptions& options) {
    options.slave_sync = std::make_shared<PromptStandbys>(followed);
  });
  protocol::Hello hello = rig.hello();
  hello.settings.slave_sync = true;
  SessionClient client(rig.address(), hello);
  client.enter();
  client.write(1);
  client.wait_received(1);
  rig.contents("vm1").refuse(true);
  for (std::uint64_t id = 100; id < 200; ++id)
    client.control().say(protocol::WaitSlaveSync{.id = id, .timeout_ns = 20'000'000'000});
  const auto refused = client.control().expect<protocol::Reply>();
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code(), Code::kUnavailable);
  EXPECT_EQ(refused.id, 164u);
}

}  // namespace
}  // namespace tlog::testing
