// The redis-protocol store against servers that are well: real redis servers, and a double of ardb.
#include <map>
#include <random>

#include "tests/unit/resp_store/any_server_fixture.h"

namespace tlog::store {
namespace {

using testing::AnyServer;
using testing::RedisOptions;
using testing::RedisServer;
using testing::ServerKind;

class RespStoreOnRedis : public RespStoreTest {};

class RespStoreOnServer : public RespStoreOnAnyServer {};
TLOG_ON_EACH_SERVER(RespStoreOnServer);

TEST_P(RespStoreOnServer, PutGetStatRemoveScan) {
  for (bool unix_socket : {false, true}) {
    AnyServer server(GetParam(), {.unix_socket = unix_socket});
    Store& store = open(server.address());
    EXPECT_EQ(store.name(), "redis " + server.address() + "@0");
    EXPECT_EQ(get(store, "a").error().code(), Code::kNotFound);
    EXPECT_EQ(stat(store, "a").error().code(), Code::kNotFound);
    ASSERT_TRUE(put(store, "a", "first"));
    ASSERT_TRUE(put(store, "a", std::string_view("se\r\nco\0nd", 9)));
    EXPECT_EQ(value_at(store, "a"), std::string("se\r\nco\0nd", 9));
    EXPECT_EQ(*stat(store, "a"), 9u);
    EXPECT_EQ(server.command({"STRLEN", "a"}), "9");
    EXPECT_TRUE(remove(store, "a"));
    EXPECT_TRUE(remove(store, "a"));
    EXPECT_EQ(get(store, "a").error().code(), Code::kNotFound);
    StoreStatus status = store.status();
    EXPECT_TRUE(status.usable);
    EXPECT_EQ(status.condition, "up");
    EXPECT_EQ(status.put_bytes, 14u);
    EXPECT_EQ(status.get_bytes, 9u);
    EXPECT_EQ(status.queued_bytes, 0u);
    close(store);
    EXPECT_EQ(put(store, "a", "x").error().code(), Code::kShutdown);
  }
}

TEST_P(RespStoreOnServer, PiecesBecomeOneValue) {
  AnyServer server(GetParam());
  Store& store = open(server.address());
  std::string head = "head ";
  std::string body(100'000, 'b');
  Status status = await<Status>([&](auto done) {
    store.put("k", {bytes_of(std::string_view(head)), {}, bytes_of(std::string_view(body))}, {},
              done);
  });
  ASSERT_TRUE(status);
  EXPECT_TRUE(value_at(store, "k") == head + body);
  ASSERT_TRUE(await<Status>([&](auto done) { store.put("empty", {}, {}, done); }));
  EXPECT_EQ(value_at(store, "empty"), "");
}

TEST_P(RespStoreOnServer, ValuesUpTo16MiB) {
  AnyServer server(GetParam());
  Store& store = open(server.address());
  std::mt19937_64 random(1);
  for (std::uint64_t size :
       {std::uint64_t{1}, std::uint64_t{511}, 64 * kKiB, kMiB + 3, 16 * kMiB}) {
    std::string value(size, '\0');
    for (char& c : value) c = static_cast<char>(random());
    ASSERT_TRUE(put(store, "big", value)) << size;
    EXPECT_TRUE(value_at(store, "big") == value) << size;
    EXPECT_EQ(*stat(store, "big"), size);
  }
}

TEST_P(RespStoreOnServer, ThousandsOfPipelinedPutsKeepTheirAnswers) {
  AnyServer server(GetParam());
  Store& store = open(server.address());
  constexpr int kPuts = 5000;
  std::vector<std::string> values;
  for (int i = 0; i < kPuts; ++i)
    values.push_back(std::string(1 + static_cast<std::size_t>(i) % 4000, 'v') + std::to_string(i));
  std::atomic<int> left = kPuts;
  await<int>([&](auto done) {
    for (int i = 0; i < kPuts; ++i) {
      store.put("key" + std::to_string(i),
                {bytes_of(std::string_view(values[static_cast<std::size_t>(i)]))}, {},
                [&, done](Status status) {
                  EXPECT_TRUE(status);
                  if (--left == 0) done(0);
                });
    }
  });
  left = kPuts;
  await<int>([&](auto done) {
    for (int i = 0; i < kPuts; ++i) {
      store.get("key" + std::to_string(i), [&, done, i](Result<Buffer> value) {
        ASSERT_TRUE(value);
        const std::string& expected = values[static_cast<std::size_t>(i)];
        EXPECT_TRUE(value->size() == expected.size() &&
                    std::memcmp(value->data(), expected.data(), expected.size()) == 0)
            << i;
        if (--left == 0) done(0);
      });
    }
  });
}

TEST_P(RespStoreOnServer, ScanGivesTheKeysOfAPrefixInOrder) {
  AnyServer server(GetParam());
  Store& store = open(server.address());
  std::vector<std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    char key[32];
    std::snprintf(key, sizeof key, "tlog:v[1]:%05d", i);
    expected.push_back(key);
  }
  std::atomic<int> left = 3000;
  await<int>([&](auto done) {
    for (const auto& key : expected) {
      store.put(key, {bytes_of("x")}, {}, [&, done](Status) {
        if (--left == 0) done(0);
      });
    }
  });
  ASSERT_TRUE(put(store, "tlog:v1:00000", "another vdisk, if [1] were a pattern"));
  EXPECT_TRUE(*scan(store, "tlog:v[1]:", "", 100'000) == expected);
  auto page = *scan(store, "tlog:v[1]:", "tlog:v[1]:00009", 3);
  EXPECT_EQ(page, (std::vector<std::string>{expected[10], expected[11], expected[12]}));
  EXPECT_TRUE(scan(store, "tlog:v[1]:", expected.back(), 10)->empty());
  EXPECT_TRUE(scan(store, "nobody:", "", 10)->empty());
}

TEST_P(RespStoreOnServer, DatabasesAreApart) {
  AnyServer server(GetParam());
  auto options = options_for(server.address());
  Store& zero = open(options);
  options.db = "3";
  Store& three = open(options);
  EXPECT_EQ(three.name(), "redis " + server.address() + "@3");
  ASSERT_TRUE(put(three, "a", "in three"));
  EXPECT_EQ(get(zero, "a").error().code(), Code::kNotFound);
  EXPECT_EQ(value_at(three, "a"), "in three");
  if (GetParam() == ServerKind::kArdbDouble) {  // any word is a database
    options.db = "vdisks";
    EXPECT_EQ(get(open(options), "a").error().code(), Code::kNotFound);
    return;
  }
  options.db = "99";
  Status refused = put(open(options), "a", "x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
}

TEST_P(RespStoreOnServer, Passwords) {
  AnyServer server(GetParam(), {.password = "right"});
  auto options = options_for(server.address());
  options.password = "right";
  Store& right = open(options);
  EXPECT_TRUE(put(right, "a", "x"));
  for (std::string password : {"wrong", ""}) {
    options.password = password;
    Store& store = open(options);
    Status status = put(store, "a", "x");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
    EXPECT_NE(status.error().message().find("password"), std::string::npos)
        << status.error().message();
    EXPECT_EQ(status.error().message().find("wrong;"), std::string::npos);
    EXPECT_FALSE(store.status().usable);
  }
  AnyServer open_server(GetParam());
  options = options_for(open_server.address());
  options.password = "not needed";
  Status status = put(open(options), "a", "x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
  EXPECT_NE(status.error().message().find("no password: remove it"), std::string::npos)
      << status.error().message();
}

TEST_P(RespStoreOnServer, AFullServerSaysSoAndStillReads) {
  AnyServer server(GetParam());
  Store& store = open(server.address());
  ASSERT_TRUE(put(store, "a", "kept"));
  server.set_full(true);
  Status full = put(store, "b", std::string(2 * kMiB, 'x'));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code(), Code::kNoSpace) << full.error().message();
  EXPECT_EQ(value_at(store, "a"), "kept");
  server.set_full(false);
  EXPECT_TRUE(put(store, "b", "fits"));
  EXPECT_TRUE(store.status().usable);
}

TEST_F(RespStoreOnRedis, ForeignDataUnderOurKeyIsCorruption) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open(server.address());
  server.command({"LPUSH", "list", "x"});
  EXPECT_EQ(get(store, "list").error().code(), Code::kCorruption);
  EXPECT_TRUE(put(store, "other", "x"));
}

TEST_F(RespStoreOnRedis, evicting_store_is_refused) {
  TLOG_NEEDS_REDIS();
  struct {
    RedisOptions options;
    std::string words;
  } const cases[] = {
      {{.arguments = {"--maxmemory-policy", "allkeys-lru"}}, "maxmemory-policy allkeys-lru"},
      {{.arguments = {"--cluster-enabled", "yes"}}, "redis cluster"},
      {{.arguments = {"--replicaof", "127.0.0.1", "1"}}, "replica"},
  };
  for (const auto& refused : cases) {
    RedisServer server(refused.options);
    Store& store = open(server.address());
    Status status = put(store, "a", "x");
    ASSERT_FALSE(status) << refused.words;
    EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
    EXPECT_NE(status.error().message().find(refused.words), std::string::npos)
        << status.error().message();
    auto value = get(store, "a");
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error().code(), Code::kInvalidArgument);
    EXPECT_FALSE(store.status().usable);
    const bool is_replica = refused.words == "replica";
    EXPECT_EQ(store.status().state, is_replica ? StoreState::kReadOnly : StoreState::kRefused);
    EXPECT_NE(store.status().condition.find(refused.words), std::string::npos);
    EXPECT_NE(server.command({"DBSIZE"}), "1");
  }
}

TEST_F(RespStoreOnRedis, ARefusedServerIsTakenOnceItIsPutRight) {
  TLOG_NEEDS_REDIS();
  RedisServer server({.arguments = {"--maxmemory-policy", "allkeys-lru"}});
  Store& store = open(server.address());
  ASSERT_FALSE(put(store, "a", "x"));
  server.command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  EXPECT_TRUE(heals(store));
}

}  // namespace
}  // namespace tlog::store
