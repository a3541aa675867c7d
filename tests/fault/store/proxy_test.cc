// Goal: whatever a bad network or a bad server does to the bytes of a redis-protocol store, no
// answer is wrong or missing, and the store works again by itself.
// Method: each fault of FaultProxy, over real redis and over a double of ardb.
#include <cstdlib>
#include <random>
#include <set>

#include "tests/fault/store/proxy_fixture.h"

namespace tlog::store {
namespace {

using testing::FaultProxy;
using testing::Faults;
using testing::MessageFault;
using testing::Milliseconds;
using testing::ServerKind;

TLOG_ON_EACH_SERVER(RespStoreBehindProxy);

// Commands that redis, valkey, kvrocks and ardb have in common.
const std::set<std::string> kSharedCommands = {
    "AUTH", "SELECT", "PING",   "INFO", "GET",  "SET",   "STRLEN",     "UNLINK", "DEL",
    "HSET", "HMGET",  "HSETNX", "HGET", "HDEL", "HMSET", "CONFIG GET", "SCAN"};

TEST_P(RespStoreBehindProxy, OnlySharedCommandsAreSaid) {
  testing::AnyServer server(GetParam(), {.password = "secret"});
  FaultProxy proxy(server.address());
  RespStoreOptions options = options_for(proxy.address());
  options.password = "secret";
  options.db = "2";
  Store& store = open(options);
  ASSERT_TRUE(put(store, "a", "x"));
  EXPECT_EQ(value_at(store, "a"), "x");
  EXPECT_EQ(*stat(store, "a"), 1u);
  EXPECT_EQ(scan(store, "", "", 10)->size(), 1u);
  EXPECT_TRUE(remove(store, "a"));
  proxy.close_connections();
  ASSERT_TRUE(heals(store));
  std::map<std::string, std::uint64_t> commands = proxy.commands();
  for (const auto& [command, count] : commands)
    EXPECT_TRUE(kSharedCommands.contains(command)) << command << " " << count;
  for (const char* command : {"AUTH", "SELECT", "INFO", "SET", "GET", "STRLEN", "SCAN"})
    EXPECT_GT(commands[command], 0u) << command;
}

TEST_P(RespStoreBehindProxy, late_reply_is_never_matched) {
  Store& store = open_up(hasty());
  int right = 0;
  int late = 0;
  for (int round = 0; round < 9; ++round) {
    // Replies after the deadline, at it, and before it.
    proxy_->set({.reply_delay = Milliseconds(700 - round % 3 * 200)});
    Values first = ask(store, 0, 8);
    if (round % 2 == 0) {
      const int now = check(std::move(first), 0);
      right += now;
      late += 8 - now;
      first.clear();
    }
    // Asked while the late replies are on their way.
    proxy_->heal();
    right += check(ask(store, 8, 16), 8);
    if (!first.empty()) right += check(std::move(first), 0);
    ASSERT_TRUE(heals(store));
    right += check(ask(store, 16, 24), 16);
  }
  EXPECT_GT(right, 0);
  EXPECT_GT(late, 0);
  expect_whole_again(store);
}

TEST_P(RespStoreBehindProxy, ABlackHoleIsNoticedAndLeft) {
  Store& store = open_up(hasty());
  for (int round = 0; round < 3; ++round) {
    proxy_->set({.black_hole = true});
    EXPECT_EQ(check(ask(store, 0, 8), 0), 0);
    const Status lost = put(store, key_of(0), value_of(0));
    ASSERT_FALSE(lost);
    EXPECT_TRUE(may_pass(lost.error())) << lost.error().message();
    EXPECT_FALSE(store.status().usable);
    // What was swallowed comes out again: old requests reach the server, their replies nobody.
    proxy_->heal();
    Values next = ask(store, 8, 16);
    check(std::move(next), 8);
    expect_whole_again(store);
  }
}

TEST_P(RespStoreBehindProxy, ABlackHoleFromTheBeginningIsNoticed) {
  proxy_->set({.black_hole = true});
  Store& store = open(hasty());
  EXPECT_EQ(check(ask(store, 0, 8), 0), 0);
  EXPECT_FALSE(store.status().usable);
  expect_whole_again(store);
}

TEST_P(RespStoreBehindProxy, DelaysBelowTheDeadlineAreBorne) {
  RespStoreOptions options = options_for(proxy_->address());
  options.request_timeout_ns = 30'000 * kMs;  // a machine that is busy may stand still for seconds
  proxy_->set({.request_delay = Milliseconds(60), .reply_delay = Milliseconds(60)});
  Store& store = open(options);
  EXPECT_EQ(check(ask(store, 0, kValues), 0), kValues);
  EXPECT_TRUE(put(store, "a", "x"));
  EXPECT_EQ(connections(), 1u);
}

TEST_P(RespStoreBehindProxy, ASlowLinkIsUsedAsLongAsItMoves) {
  Store& store = open_up(options_for(proxy_->address()));
  const std::uint64_t before = connections();
  proxy_->set({.bytes_per_second = 1'000'000});
  std::vector<std::string> values;
  for (int i = 0; i < 40; ++i) values.push_back(std::string(25'000, static_cast<char>('A' + i)));
  std::vector<std::future<Status>> puts;
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto promise = std::make_shared<std::promise<Status>>();
    puts.push_back(promise->get_future());
    store.put("slow" + std::to_string(i), {bytes_of(std::string_view(values[i]))}, {},
              [promise](Status status) { promise->set_value(std::move(status)); });
  }
  for (auto& put : puts) EXPECT_TRUE(wait(std::move(put)));
  for (std::size_t i = 0; i < values.size(); i += 13)
    EXPECT_TRUE(value_at(store, "slow" + std::to_string(i)) == values[i]);
  EXPECT_EQ(connections(), before) << "given up although it moved";
}

TEST_P(RespStoreBehindProxy, ALinkThatIsTooSlowIsGivenUp) {
  Store& store = open_up(hasty());
  proxy_->set({.bytes_per_second = 2000});
  const std::string value(100'000, 'v');
  const Status status = put(store, "big", value);
  ASSERT_FALSE(status);
  EXPECT_TRUE(may_pass(status.error())) << status.error().message();
  EXPECT_EQ(check(ask(store, 7, 8), 7), 0);
  expect_whole_again(store);
  EXPECT_TRUE(put(store, "big", value));
  EXPECT_TRUE(value_at(store, "big") == value);
}

TEST_P(RespStoreBehindProxy, SingleBytesAreEnough) {
  proxy_->set({.piece_bytes = 1});
  Store& store = open_up(options_for(proxy_->address()));
  EXPECT_EQ(check(ask(store, 0, 7), 0), 7);
  EXPECT_TRUE(put(store, "a", "value"));
  EXPECT_EQ(value_at(store, "a"), "value");
  EXPECT_EQ(*stat(store, "a"), 5u);
  EXPECT_EQ(keys_with(store, "value:"), static_cast<std::size_t>(kValues));
  EXPECT_EQ(connections(), 1u);
}

TEST_P(RespStoreBehindProxy, RefusedConnectionsAreTriedAgain) {
  proxy_->set({.refuse = true});
  Store& store = open(hasty());
  EXPECT_EQ(check(ask(store, 0, 4), 0), 0);
  expect_whole_again(store);
  proxy_->set({.refuse = true});
  proxy_->close_connections();
  EXPECT_EQ(check(ask(store, 0, 4), 0), 0);
  EXPECT_FALSE(store.status().usable);
  expect_whole_again(store);
}

TEST_P(RespStoreBehindProxy, AConnectionThatIsResetFailsWhatIsInFlight) {
  Store& store = open_up(options_for(proxy_->address()));
  constexpr int kPuts = 100;
  const std::string value(20'000, 'v');
  for (const bool reset : {true, false}) {
    proxy_->set({.bytes_per_second = 500'000});
    std::vector<std::future<Status>> puts;
    for (int i = 0; i < kPuts; ++i) {
      auto promise = std::make_shared<std::promise<Status>>();
      puts.push_back(promise->get_future());
      store.put("put" + std::to_string(i), {bytes_of(std::string_view(value))}, {},
                [promise](Status status) { promise->set_value(std::move(status)); });
    }
    EXPECT_TRUE(wait(std::move(puts.front())));
    if (reset)
      proxy_->reset_connections();
    else
      proxy_->close_connections();
    int failed = 0;
    for (std::size_t i = 1; i < puts.size(); ++i) {
      const Status status = wait(std::move(puts[i]));
      if (status) continue;
      ++failed;
      EXPECT_TRUE(may_pass(status.error())) << status.error().message();
    }
    EXPECT_GT(failed, 0);
    expect_whole_again(store);
    // Putting them again is harmless.
    for (int i = 0; i < kPuts; ++i) ASSERT_TRUE(put(store, "put" + std::to_string(i), value));
    EXPECT_EQ(keys_with(store, "put"), static_cast<std::size_t>(kPuts));
    EXPECT_TRUE(value_at(store, "put99") == value);
  }
}

TEST_P(RespStoreBehindProxy, AClientThatIsKilledComesBack) {
  if (GetParam() != ServerKind::kRedis) GTEST_SKIP() << "the double does not list its clients";
  Store& store = open_up(hasty());
  for (int round = 0; round < 5; ++round) {
    Values values = ask(store, 0, 8);
    server_->command({"CLIENT", "KILL", "TYPE", "normal"});
    check(std::move(values), 0);
    expect_whole_again(store);
  }
}

// Everything at once and again and again, against a model: each key has one value for ever, as
// shards have.
TEST_P(RespStoreBehindProxy, Nemesis) {
  std::uint64_t seed = 20170801;
  if (const char* text = std::getenv("TLOG_SEED")) seed = std::strtoull(text, nullptr, 10);
  SCOPED_TRACE(::testing::Message() << "TLOG_SEED=" << seed);
  std::mt19937_64 random(seed);
  Store& store = open_up(hasty());
  const std::vector<std::function<void()>> faults = {
      [&] { proxy_->heal(); },
      [&] { proxy_->set({.black_hole = true}); },
      [&] { proxy_->set({.refuse = true}); },
      [&] { proxy_->set({.reply_delay = Milliseconds(random() % 600)}); },
      [&] { proxy_->set({.request_delay = Milliseconds(random() % 600)}); },
      [&] { proxy_->set({.bytes_per_second = 100'000 + random() % 1'000'000}); },
      [&] { proxy_->set({.piece_bytes = 1 + random() % 2000}); },
      [&] { proxy_->reset_connections(); },
      [&] { proxy_->close_connections(); },
      [&] { proxy_->next(MessageFault::cut_request("", random() % 300)); },
      [&] { proxy_->next(MessageFault::cut_reply("", random() % 300)); },
      [&] { proxy_->next(MessageFault::cut_reply("GET", random() % 300'000)); },
  };
  std::set<int> stored;  // of the values from 1000 on
  int failed = 0;
  for (int round = 0; round < 25; ++round) {
    faults[random() % faults.size()]();
    std::vector<std::pair<int, std::future<Status>>> puts;
    std::vector<std::string> batch;
    for (int i = 0; i < 4; ++i) batch.push_back(value_of(1000 + round * 4 + i));
    for (int i = 0; i < 4; ++i) {
      const int number = 1000 + round * 4 + i;
      auto promise = std::make_shared<std::promise<Status>>();
      puts.emplace_back(number, promise->get_future());
      store.put(key_of(number), {bytes_of(std::string_view(batch[static_cast<std::size_t>(i)]))},
                {}, [promise](Status status) { promise->set_value(std::move(status)); });
    }
    const int first = static_cast<int>(random() % (kValues - 8));
    failed += 8 - check(ask(store, first, first + 8), first);
    for (auto& [number, future] : puts) {
      if (wait(std::move(future))) stored.insert(number);
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(stored.size(), 0u);
  proxy_->heal();
  ASSERT_TRUE(heals(store)) << store.status().condition;
  EXPECT_EQ(check(ask(store, 0, kValues), 0), kValues);
  for (int number = 1000; number < 1100; ++number) {
    const Result<std::string> value = get(store, key_of(number));
    if (value) {
      EXPECT_TRUE(*value == value_of(number)) << number;
    } else {
      EXPECT_EQ(value.error().code(), Code::kNotFound) << value.error().message();
    }
    EXPECT_TRUE(value || !stored.contains(number)) << "stored, and gone: " << number;
  }
}

}  // namespace
}  // namespace tlog::store
