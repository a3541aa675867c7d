// Goal: a server that was wiped, restarted, swapped or is in the wrong role is never believed: not
// its +OK, and not its "no such key". Method: real servers, and things done to them behind the
// store's back.
#include <gmock/gmock.h>
#include <future>

#include <algorithm>
#include <thread>

#include "tests/support/free_port.h"
#include "tests/unit/resp_store/fixture.h"
#include "tlog/base/mutex.h"
#include "tlog/store/resp_identity.h"

namespace tlog::store {
namespace {

using ::testing::HasSubstr;
using testing::RedisOptions;
using testing::RedisServer;

class RespServers : public RespStoreTest {
 protected:
  struct Told {
    Mutex mutex;
    std::vector<ServerEvent> events GUARDED_BY(mutex);
    bool has(ServerEvent::Kind kind) {
      MutexLock lock(mutex);
      return std::any_of(events.begin(), events.end(),
                         [kind](const ServerEvent& event) { return event.kind == kind; });
    }
    ServerEvent last(ServerEvent::Kind kind) {
      MutexLock lock(mutex);
      ServerEvent found;
      for (const ServerEvent& event : events) {
        if (event.kind == kind) found = event;
      }
      return found;
    }
  };

  static Uuid vdisk() {
    Uuid result;
    result.bytes.fill(7);
    return result;
  }
  static RespStoreOptions of_vdisk(const std::string& address) {
    RespStoreOptions options = options_for(address);
    options.vdisk = "vm1";
    return options;
  }
  Store& open_for_vdisk(const std::string& address) { return open(of_vdisk(address)); }
  static void expect(Store& store, std::size_t index, std::vector<KnownServer> servers) {
    store.identity()->expect({.vdisk = vdisk(), .index = index, .servers = std::move(servers)});
  }
  // As a writer of epoch 1 does it; what it knows of the server then.
  static KnownServer enroll(Store& store, const std::shared_ptr<Told>& told) {
    store.identity()->enroll(1, [told](const ServerEvent& event) {
      MutexLock lock(told->mutex);
      told->events.push_back(event);
    });
    EXPECT_TRUE(testing::wait_until([&] { return told->has(ServerEvent::Kind::kEnrolled); },
                                    testing::Milliseconds(20'000)));
    return told->last(ServerEvent::Kind::kEnrolled).server;
  }
  KnownServer use(Store& store) {
    expect(store, 0, {});
    KnownServer known = enroll(store, told_);
    expect(store, 0, {known});
    EXPECT_TRUE(put(store, "a", "kept"));
    return known;
  }
  static bool reaches(Store& store, StoreState state) {
    return testing::wait_until([&] { return store.status().state == state; },
                               testing::Milliseconds(20'000));
  }

  const std::shared_ptr<Told> told_ = std::make_shared<Told>();
};

TEST_F(RespServers, AServerIsMarkedOnceAndKnownAgain) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  KnownServer first;
  {
    Store& store = open_for_vdisk(server.address());
    first = use(store);
    EXPECT_FALSE(first.server.is_nil());
    EXPECT_EQ(first.address, server.address());
    EXPECT_EQ(server.command({"HGET", "tlog::server", "uuid"}), first.server.text());
    EXPECT_EQ(server.command({"HGET", "tlog:vm1:ctl", "mark"}),
              encode_mark({.vdisk = vdisk(), .server = first.server, .since = 1}));
    EXPECT_EQ(store.status().server, first.server.text());
    EXPECT_EQ(scan(store, "tlog:", "", 10)->size(), 1U) << "tlog::server, not the vdisk's own key";
    close(store);
  }
  Store& reader = open_for_vdisk(server.address());
  expect(reader, 0, {first});
  EXPECT_EQ(*get(reader, "a"), "kept");
  EXPECT_EQ(get(reader, "b").error().code(), Code::kNotFound);
  Store& writer = open_for_vdisk(server.address());
  EXPECT_EQ(use(writer).server, first.server);
}

TEST_F(RespServers, a_put_into_a_flushed_server_does_not_count) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open_for_vdisk(server.address());
  use(store);
  server.command({"FLUSHALL"});
  Status status = put(store, "b", "answered with OK");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kUnavailable);
  EXPECT_THAT(status.error().message(), HasSubstr("wiped"));
  EXPECT_TRUE(testing::wait_until([&] { return told_->has(ServerEvent::Kind::kWiped); },
                                  testing::Milliseconds(20'000)));
  EXPECT_EQ(store.status().state, StoreState::kWiped);
  EXPECT_FALSE(store.status().usable);
  EXPECT_FALSE(put(store, "c", "x")) << "not again either";
}

// Otherwise each put wakes its server twice, and waits for the slower answer of two.
TEST_F(RespServers, a_put_and_the_reading_of_the_mark_leave_together) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open_for_vdisk(server.address());
  use(store);
  auto readings = [&server] {
    const std::string info = server.command({"INFO", "commandstats"});
    const std::string field = "cmdstat_hmget:calls=";
    const auto at = info.find(field);
    return at == std::string::npos ? 0L : std::stol(info.substr(at + field.size()));
  };
  const long before = readings();
  std::promise<long> came;
  const Status status = await<Status>([&](auto done) {
    loop_->post([&, done] {
      // What this one posts comes in the turn after that of the put, before all that the put posts.
      loop_->post([&] {
        loop_->post([&] {
          EXPECT_TRUE(testing::wait_until(
              [&] {
                return server.command({"GET", "b"}) == "new";
              },
              testing::Milliseconds(20'000)));
          came.set_value(readings() - before);
        });
      });
      store.put("b", {bytes_of(std::string_view("new"))}, {}, done);
    });
  });
  EXPECT_TRUE(status);
  // The answer to the put may be there before the look is: on a busy machine the turns between are
  // long.
  EXPECT_EQ(came.get_future().get(), 1) << "the value was there, and the reading had not been sent";
}

TEST_F(RespServers, wiped_store_is_not_end_of_log) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  KnownServer known = use(open_for_vdisk(server.address()));
  Store& reader = open_for_vdisk(server.address());
  expect(reader, 0, {known});
  ASSERT_EQ(*get(reader, "a"), "kept");
  server.command({"FLUSHALL"});
  // On the connection that was there before, and on a new one.
  for (int round = 0; round < 2; ++round) {
    auto value = get(reader, "a");
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error().code(), Code::kUnavailable) << value.error().message();
    EXPECT_THAT(value.error().message(), HasSubstr("wiped"));
    auto length = stat(reader, "b");
    ASSERT_FALSE(length);
    EXPECT_EQ(length.error().code(), Code::kUnavailable);
    auto keys = scan(reader, "tlog:", "", 10);
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code(), Code::kUnavailable);
    server.restart();
  }
}

TEST_F(RespServers, AnEmptiedServerIsTakenAgainWhenItsWriterSaysSo) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open_for_vdisk(server.address());
  KnownServer known = use(store);
  server.restart();  // without persistence that is the same as an empty one
  ASSERT_TRUE(reaches(store, StoreState::kWiped));
  store.identity()->readopt();
  ASSERT_TRUE(heals(store));
  KnownServer again = told_->last(ServerEvent::Kind::kEnrolled).server;
  EXPECT_EQ(again.server, known.server) << "others who know it must see that it was wiped";
  EXPECT_TRUE(again.rebuilding);
  EXPECT_EQ(store.status().state, StoreState::kRebuilding) << "before anybody has recorded it";
  KnownServer whole = again;
  whole.rebuilding = false;
  expect(store, 0, {whole});
  EXPECT_TRUE(reaches(store, StoreState::kUp));
  // For a reader a miss means nothing until it is whole.
  Store& reader = open_for_vdisk(server.address());
  expect(reader, 0, {again});
  EXPECT_EQ(get(reader, "a").error().code(), Code::kUnavailable);
  EXPECT_EQ(*get(reader, "heal"), "x");
  again.rebuilding = false;
  expect(reader, 0, {again});
  EXPECT_TRUE(
      testing::wait_until([&] { return get(reader, "a").error().code() == Code::kNotFound; },
                          testing::Milliseconds(20'000)));
}

TEST_F(RespServers, ARestartedServerCountsOnlyAfterItWasVouchedFor) {
  TLOG_NEEDS_REDIS();
  RedisServer server({.arguments = {"--appendonly", "yes", "--appendfsync", "always"}});
  Store& store = open_for_vdisk(server.address());
  use(store);
  for (int round = 0; round < 2; ++round) {
    server.restart();
    ASSERT_TRUE(reaches(store, StoreState::kSuspect)) << store.status().condition;
    Status status = put(store, "b", "x");
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message(), HasSubstr("restarted"));
    EXPECT_EQ(*get(store, "a"), "kept");
    EXPECT_TRUE(await<Status>(
        [&](auto done) { store.put("c", {bytes_of("x")}, {.mending = true}, done); }));
    const std::uint64_t doubt = told_->last(ServerEvent::Kind::kRestarted).doubt;
    store.identity()->vouch(doubt - 1);
    EXPECT_FALSE(put(store, "b", "x")) << "of an earlier restart";
    store.identity()->vouch(doubt);
    EXPECT_TRUE(put(store, "b", "x"));
    EXPECT_EQ(store.status().state, StoreState::kUp);
  }
  EXPECT_FALSE(told_->has(ServerEvent::Kind::kWiped));
}

TEST_F(RespServers, ABrokenConnectionIsNoRestart) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open_for_vdisk(server.address());
  use(store);
  server.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  ASSERT_TRUE(heals(store));
  EXPECT_FALSE(told_->has(ServerEvent::Kind::kRestarted));
}

TEST_F(RespServers, SwappedServersAreRefusedAndMovedOnesAreFound) {
  TLOG_NEEDS_REDIS();
  const std::string port = std::to_string(testing::free_port());
  RedisServer one({.unix_socket = true, .arguments = {"--port", port}});
  RedisServer two;
  std::vector<KnownServer> known;
  for (RedisServer* server : {&one, &two}) {
    Store& store = open_for_vdisk(server->address());
    expect(store, known.size(), known);
    auto told = std::make_shared<Told>();
    known.push_back(enroll(store, told));
    EXPECT_TRUE(put(store, "of " + std::to_string(known.size()), "x"));
    close(store);
  }
  Store& swapped = open_for_vdisk(two.address());
  expect(swapped, 0, known);
  auto value = get(swapped, "of 2");
  ASSERT_FALSE(value) << "it is there, in the wrong place";
  EXPECT_EQ(value.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(value.error().message(), HasSubstr("swapped"));
  EXPECT_EQ(swapped.status().state, StoreState::kMismatch);
  EXPECT_EQ(put(swapped, "b", "x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(two.command({"EXISTS", "b"}), "0");

  Store& moved = open_for_vdisk("127.0.0.1:" + port);
  expect(moved, 0, known);
  EXPECT_EQ(*get(moved, "of 1"), "x");
  EXPECT_EQ(moved.status().state, StoreState::kUp);
}

TEST_F(RespServers, TwoVdisksOfOneNameDoNotMix) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  use(open_for_vdisk(server.address()));
  Store& other = open_for_vdisk(server.address());
  Uuid uuid;
  uuid.bytes.fill(8);
  other.identity()->expect({.vdisk = uuid, .servers = {}});
  other.identity()->enroll(1, [](const ServerEvent&) {});
  ASSERT_TRUE(reaches(other, StoreState::kMismatch));
  EXPECT_THAT(put(other, "b", "x").error().message(), HasSubstr("another vdisk of this name"));
}

TEST_F(RespServers, EveryServerHasAStateAndARemedy) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  Store& store = open_for_vdisk(server.address());
  use(store);
  EXPECT_THAT(store.status().warning, HasSubstr("no persistence"));

  server.command({"CONFIG", "SET", "maxmemory", "1mb"});
  EXPECT_EQ(put(store, "b", std::string(2 * kMiB, 'x')).error().code(), Code::kNoSpace);
  EXPECT_EQ(store.status().state, StoreState::kFull);
  EXPECT_THAT(store.status().condition, HasSubstr("raise the server's maxmemory"));
  EXPECT_EQ(*get(store, "a"), "kept");
  server.command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(put(store, "b", "x"));
  EXPECT_EQ(store.status().state, StoreState::kUp);

  server.command({"CONFIG", "SET", "min-replicas-to-write", "2"});
  EXPECT_EQ(put(store, "b", "x").error().code(), Code::kUnavailable);
  EXPECT_EQ(store.status().state, StoreState::kBusy);
  server.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
  EXPECT_TRUE(put(store, "b", "x"));

  server.command({"REPLICAOF", "127.0.0.1", "1"});
  EXPECT_EQ(put(store, "b", "x").error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(reaches(store, StoreState::kReadOnly));
  EXPECT_THAT(store.status().condition, HasSubstr("primary"));
  server.command({"REPLICAOF", "NO", "ONE"});
  EXPECT_TRUE(heals(store));
}

TEST_F(RespServers, BusyLoadingAndCrowdedServersAreWaitedFor) {
  TLOG_NEEDS_REDIS();
  RedisServer server(
      {.arguments = {"--appendonly", "yes", "--maxclients", "3", "--lua-time-limit", "10"}});
  auto options = options_for(server.address());
  options.request_timeout_ns = 500 * kMs;
  Store& store = open(options);
  ASSERT_TRUE(put(store, "a", "x"));
  Store& second = open(options);
  ASSERT_TRUE(put(second, "a", "x"));
  Store& third = open(options);
  ASSERT_TRUE(put(third, "a", "x"));
  Store& fourth = open(options);
  EXPECT_EQ(put(fourth, "a", "x").error().code(), Code::kUnavailable);
  EXPECT_EQ(fourth.status().state, StoreState::kBusy);
  EXPECT_THAT(fourth.status().condition, HasSubstr("maxclients"));
  close(second);
  EXPECT_TRUE(heals(fourth));
  close(third);
  close(fourth);

  std::thread script([&] {
    try {
      server.command({"EVAL", "while true do end", "0"});
    } catch (const std::runtime_error&) {
      // the script's client may be dropped when the script is killed
    }
  });
  EXPECT_TRUE(
      testing::wait_until([&] { return !put(store, "b", "x"); }, testing::Milliseconds(20'000)));
  EXPECT_TRUE(testing::wait_until(
      [&] {
        try {
          return server.command({"SCRIPT", "KILL"}) == "OK";
        } catch (const std::runtime_error&) {
          return false;
        }
      },
      testing::Milliseconds(20'000)));
  script.join();
  EXPECT_TRUE(heals(store));
}

TEST_F(RespServers, AValueThatTheServerDoesNotTakeIsAnErrorAndNothingHangs) {
  TLOG_NEEDS_REDIS();
  RedisServer server({.arguments = {"--proto-max-bulk-len", "1mb"}});
  Store& store = open_for_vdisk(server.address());
  use(store);
  EXPECT_FALSE(put(store, "big", std::string(2 * kMiB, 'x')));
  ASSERT_TRUE(heals(store));
  EXPECT_EQ(*get(store, "a"), "kept");
}

TEST_F(RespServers, AServerThatCannotKeepUpIsDroppedAndTriedAgain) {
  TLOG_NEEDS_REDIS();
  RedisServer server;
  auto options = of_vdisk(server.address());
  options.queued_bytes_max = 1 * kMiB;
  Store& store = open(options);
  use(store);
  server.pause();
  std::string value(400 * kKiB, 'v');
  std::vector<std::future<Status>> waiting;
  for (int i = 0; i < 2; ++i) {
    auto promise = std::make_shared<std::promise<Status>>();
    waiting.push_back(promise->get_future());
    store.put("k", {bytes_of(std::string_view(value))}, {},
              [promise](Status status) { promise->set_value(std::move(status)); });
  }
  EXPECT_EQ(put(store, "k", value).error().code(), Code::kUnavailable);
  for (auto& each : waiting) EXPECT_FALSE(wait(std::move(each))) << "not waited for any longer";
  EXPECT_EQ(store.status().queued_bytes, 0U);
  EXPECT_THAT(store.status().condition, HasSubstr("too slow"));
  server.resume();
  EXPECT_TRUE(heals(store));
}

}  // namespace
}  // namespace tlog::store
