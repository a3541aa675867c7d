// Goal: a store that is told another address goes there at once and nowhere else, whatever the old
// server does, and other times alone disturb nothing; asking a server who it is leaves nothing
// behind.
#include <gmock/gmock.h>

#include "tests/unit/resp_store/fixture.h"
#include "tlog/store/resp_probe.h"

namespace tlog::store {
namespace {

using ::testing::HasSubstr;
using testing::RedisOptions;
using testing::RedisServer;

class RespMove : public RespStoreTest {
 protected:
  Result<std::string> ask(const RespStoreOptions& server) {
    return probe_servers({{server, who_it_is()}}, *loop_).front();
  }
  static std::string connections_of(RedisServer& server) {
    const std::string info = server.command({"INFO", "stats"});
    const std::string key = "total_connections_received:";
    const std::size_t at = info.find(key) + key.size();
    return info.substr(at, info.find('\r', at) - at);
  }
};

TEST_F(RespMove, what_is_put_afterwards_is_on_the_other_server) {
  TLOG_NEEDS_REDIS();
  RedisServer first;
  RedisServer second;
  Store& store = open(first.address());
  ASSERT_TRUE(put(store, "a", "1"));
  const std::string& name = store.name();
  const std::string before = name;
  store.move_to(options_for(second.address()));
  ASSERT_TRUE(heals(store));
  ASSERT_TRUE(put(store, "b", "2"));
  EXPECT_EQ(second.command({"GET", "b"}), "2");
  EXPECT_EQ(first.command({"EXISTS", "b"}), "0");
  EXPECT_EQ(name, before) << "somebody may still hold it";
  EXPECT_THAT(store.name(), HasSubstr(second.address()));
  EXPECT_EQ(store.status().name, store.name());
  store.move_to(options_for(first.address()));
  ASSERT_TRUE(heals(store));
  EXPECT_EQ(value_at(store, "a"), "1");
}

// Of the new server nothing is known yet: what was known of the old one is not said of it.
TEST_F(RespMove, nothing_of_the_old_server_is_said_of_the_new_one) {
  TLOG_NEEDS_REDIS();
  RedisServer first;
  RedisServer second;
  Store& store = open(first.address());
  ASSERT_TRUE(heals(store));
  ASSERT_EQ(store.status().state, StoreState::kUp);
  ASSERT_NE(store.status().put_bytes, 0u);
  second.pause();  // so that it says nothing
  store.move_to(options_for(second.address()));
  StoreStatus status;
  EXPECT_TRUE(testing::wait_until(
      [&] {
        status = store.status();
        return status.name.find(second.address()) != std::string::npos;
      },
      testing::Milliseconds(20'000)));
  EXPECT_FALSE(status.usable) << status.condition;
  EXPECT_EQ(status.put_bytes, 0u);
  second.resume();
  ASSERT_TRUE(heals(store));
  EXPECT_EQ(store.status().state, StoreState::kUp);
}

// The old server swallows what it is sent: it is not waited for.
TEST_F(RespMove, a_server_that_hangs_is_left_behind) {
  TLOG_NEEDS_REDIS();
  RedisServer first;
  RedisServer second;
  RespStoreOptions patient = options_for(first.address());
  patient.request_timeout_ns = 600'000 * kMs;
  Store& store = open(patient);
  ASSERT_TRUE(put(store, "a", "1"));
  first.pause();
  auto promise = std::make_shared<std::promise<Status>>();
  auto pending = promise->get_future();
  store.put("b", {bytes_of(std::string_view("2"))}, {},
            [promise](const Status& status) { promise->set_value(status); });
  RespStoreOptions other = patient;
  other.address = second.address();
  store.move_to(other);
  const Status failed = wait(std::move(pending));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kUnavailable);
  EXPECT_TRUE(put(store, "c", "3"));
  EXPECT_EQ(second.command({"GET", "c"}), "3");
}

TEST_F(RespMove, a_store_that_had_no_connection_gets_one) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  RespStoreOptions nowhere = options_for("127.0.0.1:1");
  nowhere.backoff_min_ns = 600'000 * kMs;
  nowhere.backoff_max_ns = 600'000 * kMs;
  Store& store = open(nowhere);
  EXPECT_TRUE(testing::wait_until([&] { return store.status().state == StoreState::kDown; },
                                  testing::Milliseconds(20'000)));
  store.move_to(options_for(server.address()));
  EXPECT_TRUE(put(store, "a", "1")) << "the pause of the old address has been waited for";
}

TEST_F(RespMove, other_times_and_nothing_else_keep_the_connection) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open(server.address());
  ASSERT_TRUE(put(store, "a", "1"));
  // INFO makes a connection itself: the second look has one more.
  const int before = std::stoi(connections_of(server));
  RespStoreOptions other_times = options_for(server.address());
  other_times.request_timeout_ns = 4000 * kMs;
  store.move_to(other_times);
  ASSERT_TRUE(put(store, "b", "2"));
  EXPECT_EQ(std::stoi(connections_of(server)), before + 1);
  server.command({"CONFIG", "SET", "requirepass", "secret"});
  RespStoreOptions with_password = other_times;
  with_password.password = "secret";
  store.move_to(with_password);
  EXPECT_TRUE(heals(store));
}

TEST_F(RespMove, asking_a_server_leaves_nothing_behind) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  EXPECT_EQ(ask(options_for(server.address())).value_or("error"), "") << "nobody has named it";
  EXPECT_EQ(server.command({"DBSIZE"}), "0");
  server.command({"HSET", "tlog::server", "uuid", "u"});
  EXPECT_EQ(ask(options_for(server.address())).value_or("error"), "u");
  EXPECT_TRUE(testing::wait_until(
      [&] {
        return server.command({"INFO", "clients"}).find("connected_clients:1\r") !=
               std::string::npos;
      },
      testing::Milliseconds(20'000)))
      << "the connection is still there";
}

TEST_F(RespMove, asking_one_that_must_not_be_used_and_one_that_is_away) {
  TLOG_NEEDS_REDIS();
  RedisOptions evicts;
  evicts.arguments = {"--maxmemory-policy", "allkeys-lru"};
  RedisServer bad(evicts);
  auto refused = ask(options_for(bad.address()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kInvalidArgument) << refused.error().message();
  RespStoreOptions away = options_for("127.0.0.1:1");
  away.request_timeout_ns = 100 * kMs;
  auto nobody = ask(away);
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.error().code(), Code::kInvalidArgument) << nobody.error().message();
}

}  // namespace
}  // namespace tlog::store
