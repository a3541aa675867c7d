// The redis-protocol store when servers stop, die, come back, or talk nonsense.
#include <sys/resource.h>

#include "tests/support/free_port.h"
#include "tests/unit/resp_store/fake_server.h"
#include "tests/unit/resp_store/fixture.h"
#include "tlog/base/clock.h"

namespace tlog::store {
namespace {

using testing::RedisServer;
using Words = std::vector<std::string>;

class RespStoreInTrouble : public RespStoreTest {
 protected:
  static RespStoreOptions hasty(const std::string& address) {
    RespStoreOptions options = options_for(address);
    options.request_timeout_ns = 300 * kMs;
    return options;
  }
};

const std::string kInfo =
    FakeServer::bulk("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n");

TEST_F(RespStoreInTrouble, late_reply_is_never_matched) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  server.command({"SET", "a", "value of a"});
  server.command({"SET", "b", "value of b"});
  Store& store = open(hasty(server.address()));
  ASSERT_EQ(value_at(store, "a"), "value of a");
  for (int round = 0; round < 3; ++round) {
    server.pause();
    auto late = get(store, "a");
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), Code::kTimeout) << late.error().message();
    // Asked while the late reply is still to come: it must not be taken for the answer to this.
    auto promise = std::make_shared<std::promise<Result<Buffer>>>();
    store.get("b", [promise](Result<Buffer> value) { promise->set_value(std::move(value)); });
    run_on(*loop_, [] {});
    server.resume();  // now the server answers the GET of "a", to nobody
    auto next = wait(promise->get_future());
    if (next) {
      EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(next->data()), next->size()),
                "value of b");
    }
    ASSERT_TRUE(heals(store));
    EXPECT_EQ(value_at(store, "b"), "value of b");
    EXPECT_EQ(value_at(store, "a"), "value of a");
  }
}

TEST_F(RespStoreInTrouble, TheConnectionOfALateReplyIsGone) {
  // The same with a server that answers on the old connection only after the deadline, and at once.
  std::atomic<bool> silent = true;
  FakeServer server([&](const Words& words) -> std::string {
    if (words[0] == "INFO") return kInfo;
    if (words[0] == "GET" && silent) return "";
    return words[0] == "GET" ? FakeServer::bulk("right") : "+OK\r\n";
  });
  Store& store = open(hasty(server.address()));
  EXPECT_EQ(get(store, "a").error().code(), Code::kTimeout);
  silent = false;
  ASSERT_TRUE(heals(store));
  EXPECT_EQ(value_at(store, "b"), "right");
  EXPECT_GE(server.connections(), 2);
}

TEST_F(RespStoreInTrouble, AReplyThatNobodyAskedForEndsTheConnection) {
  FakeServer server([&](const Words& words) -> std::string {
    if (words[0] == "INFO") return kInfo;
    return words[0] == "GET" ? FakeServer::bulk("right") : "+OK\r\n";
  });
  Store& store = open(hasty(server.address()));
  ASSERT_EQ(value_at(store, "a"), "right");
  server.send_now(FakeServer::bulk("wrong"));
  ASSERT_TRUE(testing::wait_until([&] { return server.connections() >= 2; },
                                  testing::Milliseconds(20'000)));
  ASSERT_TRUE(heals(store));
  EXPECT_EQ(value_at(store, "a"), "right");
}

TEST_F(RespStoreInTrouble, NonsenseIsNeverAnAnswer) {
  const std::string answers[] = {"hello\r\n",
                                 "*3\r\n",
                                 ":1\r\n",
                                 "$-5\r\n",
                                 "$5\r\nabc" + FakeServer::kHangUp,
                                 FakeServer::kHangUp,
                                 "*2147483647\r\n",
                                 "+OK" + FakeServer::kHangUp,

                                 "-ERR Protocol error: whatever\r\n"};
  for (const std::string& answer : answers) {
    std::atomic<int> asked = 0;
    FakeServer server([&](const Words& words) -> std::string {
      if (words[0] == "INFO") return kInfo;
      if (words[0] == "GET") return ++asked == 1 ? answer : FakeServer::bulk("right");
      return "+OK\r\n";
    });
    Store& store = open(hasty(server.address()));
    auto first = get(store, "a");
    ASSERT_FALSE(first) << answer;
    EXPECT_NE(first.error().code(), Code::kNotFound) << answer;
    ASSERT_TRUE(heals(store)) << answer;
    EXPECT_EQ(value_at(store, "a"), "right") << answer;
  }
}

TEST_F(RespStoreInTrouble, ARequestIsNotFinishedWhileItsMemoryIsStillBeingSent) {
  // A server that answers before it has read everything: the payload must stay untouched until the
  // end.
  FakeServer server(
      [&](const Words& words) -> std::string { return words[0] == "INFO" ? kInfo : "+OK\r\n"; });
  Store& store = open(options_for(server.address()));
  ASSERT_TRUE(put(store, "warm", "up"));
  auto payload = std::make_unique<std::string>(64 * kMiB - 1000, 'p');
  auto promise = std::make_shared<std::promise<Status>>();
  auto future = promise->get_future();
  server.read(false);
  store.put("big", {bytes_of(std::string_view(*payload))}, {}, [&, promise](Status status) {
    payload.reset();  // a use after this is found by the address sanitizer
    promise->set_value(status);
  });
  run_on(*loop_, [] {});
  run_on(*loop_, [] {});  // a turn later: the first part of it has been sent, the rest cannot
  server.send_now("+OK\r\n");
  EXPECT_FALSE(wait(std::move(future)));
  server.read(true);
  EXPECT_TRUE(heals(store));
}

TEST_F(RespStoreInTrouble, AServerThatIsNoRedisIsNotUsed) {
  FakeServer server([](const Words&) -> std::string { return "HTTP/1.1 400 Bad Request\r\n\r\n"; });
  Store& store = open(hasty(server.address()));
  Status status = put(store, "a", "x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kUnavailable);
  EXPECT_FALSE(store.status().usable);
}

TEST_F(RespStoreInTrouble, ArdbOnLmdbIsRefusedAndOtherArdbIsNotAskedForWhatItDoesNotKnow) {
  std::string engine = "lmdb";
  auto script = [&](const Words& words) -> std::string {
    if (words[0] == "INFO")
      return FakeServer::bulk("ardb_version:0.10.0\r\nredis_version:2.8.0\r\nengine:" + engine +
                              "\r\n");
    return words[0] == "SET" ? "+OK\r\n"
                             : "-ERR unknown command:" + words[0] + "\r\n" + FakeServer::kHangUp;
  };
  {
    FakeServer server(script);
    Status refused = put(open(hasty(server.address())), "a", "x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
    EXPECT_NE(refused.error().message().find("lmdb"), std::string::npos);
  }
  engine = "rocksdb";
  FakeServer server(script);
  EXPECT_TRUE(put(open(hasty(server.address())), "a", "x"));
  EXPECT_EQ(server.commands(), (std::vector<std::string>{"INFO", "SET"}));
}

TEST_F(RespStoreInTrouble, AServerWhoseInfoHidesThePolicyIsAskedForIt) {
  std::string policy = "allkeys-lfu";
  auto script = [&](const Words& words) -> std::string {
    if (words[0] == "INFO") return FakeServer::bulk("redis_version:3.0\r\nrole:master\r\n");
    if (words[0] == "CONFIG")
      return "*2\r\n" + FakeServer::bulk("maxmemory-policy") + FakeServer::bulk(policy);
    return "+OK\r\n";
  };
  {
    FakeServer server(script);
    Status refused = put(open(hasty(server.address())), "a", "x");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("allkeys-lfu"), std::string::npos);
  }
  policy = "noeviction";
  FakeServer server(script);
  EXPECT_TRUE(put(open(hasty(server.address())), "a", "x"));
}

TEST_F(RespStoreInTrouble, store_restart_heals_without_reopen) {
  TLOG_NEEDS_REDIS();
  RedisServer server({.arguments = {"--appendonly", "yes", "--appendfsync", "always"}});
  Store& store = open(hasty(server.address()));
  ASSERT_TRUE(put(store, "a", "before"));
  server.kill();
  Status down = put(store, "b", "x");
  ASSERT_FALSE(down);
  EXPECT_TRUE(down.error().code() == Code::kUnavailable || down.error().code() == Code::kTimeout);
  auto missing = get(store, "a");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().code(), Code::kNotFound);  // it cannot tell
  EXPECT_FALSE(store.status().usable);
  server.start();
  ASSERT_TRUE(heals(store));
  EXPECT_EQ(value_at(store, "a"), "before");
  EXPECT_TRUE(store.status().usable);
}

TEST_F(RespStoreInTrouble, RequestsInFlightOfAKilledServerFailAllOfThem) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open(options_for(server.address()));
  ASSERT_TRUE(put(store, "a", "x"));
  server.pause();
  constexpr int kPuts = 200;
  std::string value(20'000, 'v');
  std::atomic<int> left = kPuts;
  auto promise = std::make_shared<std::promise<int>>();
  for (int i = 0; i < kPuts; ++i) {
    store.put("k" + std::to_string(i), {bytes_of(std::string_view(value))}, {},
              [&, promise](Status status) {
                EXPECT_FALSE(status);
                if (--left == 0) promise->set_value(0);
              });
  }
  run_on(*loop_, [] {});
  EXPECT_EQ(store.status().queued_bytes, kPuts * value.size());
  server.kill();
  wait(promise->get_future());
  EXPECT_EQ(store.status().queued_bytes, 0u);
  EXPECT_GE(store.status().errors, static_cast<std::uint64_t>(kPuts));
}

TEST_F(RespStoreInTrouble, AServerThatComesLaterIsWaitedFor) {
  TLOG_NEEDS_REDIS();
  RedisServer server({.unix_socket = true});
  server.kill();
  Store& store = open(options_for(server.address()));
  auto promise = std::make_shared<std::promise<Status>>();
  store.put("early", {bytes_of("bird")}, {},
            [promise](Status status) { promise->set_value(status); });
  server.start();
  Status status = wait(promise->get_future());
  EXPECT_TRUE(status) << status.error().message();
  EXPECT_EQ(server.command({"GET", "early"}), "bird");
}

TEST_F(RespStoreInTrouble, ClosingFailsWhatIsUnderWay) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open(options_for(server.address()));
  ASSERT_TRUE(put(store, "a", "x"));
  server.pause();
  auto promise = std::make_shared<std::promise<Status>>();
  store.put("b", {bytes_of("x")}, {}, [promise](Status status) { promise->set_value(status); });
  close(store);
  EXPECT_EQ(wait(promise->get_future()).error().code(), Code::kShutdown);
}

TEST_F(RespStoreInTrouble, no_spin_when_stores_are_gone) {
  TLOG_NEEDS_REDIS();
  std::vector<std::string> addresses;
  for (int i = 0; i < 6; ++i)
    addresses.push_back("127.0.0.1:" + std::to_string(testing::free_port()));
  RespStoreOptions options;  // the times of real life
  std::vector<Store*> stores;
  for (const auto& address : addresses) {
    options.address = address;
    stores.push_back(&open(options));
  }
  auto cpu_ns = [] {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 * kMs +
           static_cast<std::uint64_t>(now.tv_nsec);
  };
  std::uint64_t cpu = cpu_ns();
  std::uint64_t wall = system_clock().monotonic_ns();
  for (int round = 0; round < 2; ++round) {
    std::atomic<int> left = 60;
    auto promise = std::make_shared<std::promise<int>>();
    for (Store* store : stores) {
      for (int i = 0; i < 10; ++i) {
        store->put("k", {bytes_of("x")}, {}, [&, promise](Status status) {
          EXPECT_FALSE(status);
          if (--left == 0) promise->set_value(0);
        });
      }
    }
    wait(promise->get_future());  // two seconds: each put waits for its server up to its deadline
  }
  wall = system_clock().monotonic_ns() - wall;
  cpu = cpu_ns() - cpu;
  EXPECT_GE(wall, 3500 * kMs);
  EXPECT_LT(cpu, wall / 10) << "processor time " << cpu / kMs << " ms in " << wall / kMs << " ms";
}

}  // namespace
}  // namespace tlog::store
