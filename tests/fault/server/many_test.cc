// Many sessions at once, slow stores, the end of a server, and the next one over the same stores.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "tests/fault/server/server_rig.h"
#include "tests/support/redis_server.h"
#include "tlog/store/stores.h"

namespace tlog::testing {
namespace {

// In the middle of a million records, each in its own way.
TEST(Many, fifty_sessions_at_once) {
  constexpr unsigned kSessions = 50;
  ServerRig rig;
  std::vector<std::vector<SentRecord>> models(kSessions);
  std::vector<std::string> failures(kSessions);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kSessions; ++i) {
    threads.emplace_back([&, i] {
      try {
        SessionClient client = rig.client(fmt::format("vm{}", i), i + 1);
        client.enter();
        for (unsigned batch = 0; batch < 40; ++batch) {
          client.write(1 + (i + batch) % 9, 512 + 512 * (batch % 4));
          if (batch % 8 == i % 8) client.flush(client.sent());
        }
        client.flush(client.sent());
        models[i] = client.model();
      } catch (const std::exception& error) {
        failures[i] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (unsigned i = 0; i < kSessions; ++i) EXPECT_EQ(failures[i], "") << i;
  EXPECT_TRUE(rig.stop());
  for (unsigned i = 0; i < kSessions; ++i) rig.expect_log(fmt::format("vm{}", i), models[i]);
}

// Sends until the server takes nothing more; how many bytes it took.
std::uint64_t fill_up(ServerRig& rig, SessionClient& client, const std::string& vdisk,
                      std::string& rest) {
  std::uint64_t taken = 0;
  rig.wait_until([&] {
    for (;;) {
      if (rest.empty()) {
        const Buffer body = client.next_batch(16, 64 * kKiB);
        const auto head =
            protocol::encode_head({.type = protocol::FrameType::kRecords,
                                   .length = static_cast<std::uint32_t>(body.size())});
        rest.assign(reinterpret_cast<const char*>(head.data()), head.size());
        rest.append(reinterpret_cast<const char*>(body.data()), body.size());
      }
      const std::size_t now = client.data().push(bytes_of(std::string_view(rest)));
      rest.erase(0, now);
      taken += now;
      if (now == 0 || taken > 200 * kMiB) break;
    }
    return rig.session(vdisk).paused || taken > 200 * kMiB;
  });
  return taken;
}

TEST(Many, stores_that_do_not_answer_bound_the_memory_and_starve_nobody) {
  constexpr std::uint64_t kMemory = 8 * kMiB;
  ServerRig rig([](server::ServerOptions& options) { options.session_memory_bytes = kMemory; });
  SessionClient slow = rig.client("slow", 1);
  slow.enter();
  SessionClient quick = rig.client("quick", 2);
  quick.enter();
  rig.contents("slow").refuse(true);
  std::string rest;
  const std::uint64_t taken = fill_up(rig, slow, "slow", rest);
  ASSERT_TRUE(rig.session("slow").paused);
  EXPECT_LT(taken, kMemory + 8 * kMiB) << "besides the memory only what sockets hold";
  const std::uint64_t held = rig.session("slow").memory_bytes;
  EXPECT_LE(held, kMemory + slow.welcome().batch_bytes_max);
  for (int i = 0; i < 20; ++i) {
    quick.write(10);
    EXPECT_EQ(quick.flush(quick.sent()), quick.sent());
  }
  EXPECT_TRUE(rig.session("slow").paused);
  // The stores are back: everything that was sent arrives, and more can be sent.
  rig.contents("slow").refuse(false);
  slow.data().send_bytes(bytes_of(std::string_view(rest)));
  EXPECT_EQ(slow.flush(slow.sent()), slow.sent());
  slow.write(10);
  EXPECT_EQ(slow.flush(slow.sent()), slow.sent());
  rig.expect_log("slow", slow.model());
  rig.expect_log("quick", quick.model());
}

TEST(Many, stopping_stores_what_was_received_and_says_so) {
  ServerRig rig;
  SessionClient one = rig.client("vm1", 1);
  one.enter();
  SessionClient two = rig.client("vm2", 2);
  two.enter();
  one.write(7);
  one.wait_received(7);
  two.write(9);
  two.wait_received(9);
  FrameClient stranger = rig.stranger();
  EXPECT_TRUE(rig.stop());
  EXPECT_EQ(one.wait_stored(7).stored, 7u) << "told before the end";
  EXPECT_EQ(one.wait_disconnected().code, Code::kShutdown);
  EXPECT_EQ(two.wait_disconnected().code, Code::kShutdown);
  stranger.wait_closed();
  EXPECT_THROW(rig.stranger(), std::runtime_error) << "nobody listens any more";
  EXPECT_TRUE(rig.stop()) << "twice is once";
  rig.expect_log("vm1", one.model());
  rig.expect_log("vm2", two.model());
}

TEST(Many, stopping_ends_within_its_budget_when_stores_do_not_answer) {
  ServerRig rig;
  SessionClient client = rig.client();
  client.enter();
  client.write(7);
  client.wait_received(7);
  rig.contents("vm1").refuse(true);
  EXPECT_FALSE(rig.stop(200'000'000)) << "it says that not all is stored";
  EXPECT_EQ(client.wait_disconnected().code, Code::kShutdown);
  rig.contents("vm1").refuse(false);
  rig.kill();
  rig.start();
  SessionClient again = rig.client();
  again.enter();
  again.adopt(client.model());
  if (again.welcome().received < 7) again.resend(again.welcome().received + 1, 7);
  EXPECT_EQ(again.flush(7), 7u);
  rig.expect_log("vm1", client.model());
}

// The client has what the server had not stored, and sends it again.
void kill_and_go_on(ServerRig& rig, unsigned rounds) {
  std::vector<SentRecord> model;
  Epoch epoch = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    SessionClient client = rig.client();
    const protocol::Welcome welcome = client.enter();
    EXPECT_GT(welcome.epoch, epoch);
    epoch = welcome.epoch;
    ASSERT_LE(welcome.received, model.size());
    const Sequence sent = model.size();
    client.adopt(model);
    if (welcome.received < sent) client.resend(welcome.received + 1, sent);
    for (int i = 0; i < 10; ++i) client.write(7, 2048);
    const Sequence flushed = client.flush(client.sent());
    for (int i = 0; i < 5; ++i) client.write(9, 2048);
    model = client.model();
    rig.kill();
    EXPECT_GE(flushed, sent + 70);
    rig.start();
    SessionClient look(rig.address(), rig.reader());
    EXPECT_GE(look.enter().stored.sequence, flushed) << "what was flushed is gone";
    EXPECT_TRUE(look.read(1, flushed) ==
                std::vector<SentRecord>(model.begin(), model.begin() + std::int64_t(flushed)));
  }
  {
    SessionClient client = rig.client();
    const Sequence received = client.enter().received;
    client.adopt(model);
    if (received < model.size()) client.resend(received + 1, model.size());
    client.flush(model.size());
  }
  EXPECT_TRUE(rig.stop());
  rig.expect_log("vm1", model);
}

TEST(Many, a_killed_servers_log_goes_on_from_its_stores) {
  ServerRig rig;
  kill_and_go_on(rig, 4);
}

TEST(Many, a_killed_servers_log_goes_on_from_redis) {
  if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
  RedisFleet fleet(kRigStores);
  ServerRig rig;
  rig.make_store = [&](const std::string& vdisk, unsigned index, io::Loop& loop) {
    store::RespStoreOptions options;
    options.address = fleet[index].address();
    options.vdisk = vdisk;
    return std::move(store::open_resp_store(options, loop, rig.logger()).value());
  };
  kill_and_go_on(rig, 2);
}

// Another process has the same stores: whoever takes the vdisk over there fences this one.
TEST(Many, a_writer_that_was_fenced_elsewhere_is_told) {
  if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
  RedisFleet fleet(kRigStores);
  const auto use = [&](ServerRig& rig) {
    rig.make_store = [&](const std::string& vdisk, unsigned index, io::Loop& loop) {
      store::RespStoreOptions options;
      options.address = fleet[index].address();
      options.vdisk = vdisk;
      return std::move(store::open_resp_store(options, loop, rig.logger()).value());
    };
  };
  ServerRig here;
  ServerRig there;
  use(here);
  use(there);
  SessionClient first = here.client("vm1", 1);
  first.enter();
  first.write(5);
  EXPECT_EQ(first.flush(5), 5u);
  protocol::Hello hello = there.hello("vm1", 2);
  SessionClient polite(there.address(), hello);
  EXPECT_EQ(refused(polite).code, Code::kFenced);
  hello.take_over = true;
  SessionClient second(there.address(), hello);
  EXPECT_EQ(second.enter().stored.sequence, 5u);
  EXPECT_EQ(second.welcome().log, first.welcome().log) << "the same stores, the same log";
  first.write(5);
  first.control().say(protocol::ForceFlush{.id = 1, .sequence = 10});
  EXPECT_EQ(first.wait_disconnected().code, Code::kFenced);
  second.adopt({first.model().begin(), first.model().begin() + 5});
  second.write(5);
  EXPECT_EQ(second.flush(10), 10u);
  EXPECT_TRUE(there.stop());
  there.expect_log("vm1", second.model());
}

}  // namespace
}  // namespace tlog::testing
