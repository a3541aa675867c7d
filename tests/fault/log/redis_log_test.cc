// Goal: a log on six real servers survives what servers do: they are wiped, restarted, exchanged,
// full and in the wrong role. Nothing committed is lost, nothing that is gone is taken for "never
// stored", and a server counts again by itself as soon as it can be trusted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "tests/support/log_rig.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_directory.h"
#include "tlog/store/stores.h"

namespace tlog::flush {
namespace {

using store::StoreState;
using ::testing::HasSubstr;
using testing::LogRig;
using testing::LogRigOptions;
using testing::RedisFleet;
using testing::RedisOptions;

constexpr std::uint64_t kMs = 1'000'000;

class LogOnServers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
  }

  LogRigOptions options(RedisFleet& fleet) {
    LogRigOptions options;
    options.hints_path = directory_.file("hints");
    options.make_store = [&fleet](unsigned index, io::Loop& loop) {
      store::RespStoreOptions store;
      store.address = fleet[index].address();
      store.vdisk = "vm1";
      store.request_timeout_ns = 5'000 * kMs;
      store.backoff_min_ns = 10 * kMs;
      store.backoff_max_ns = 200 * kMs;
      return std::move(store::open_resp_store(store, loop, null_logger()).value());
    };
    return options;
  }
  static RedisOptions durable() {
    return {.arguments = {"--appendonly", "yes", "--appendfsync", "always"}};
  }
  static void begin(LogRig& rig, unsigned aggregations) {
    const Status begun = rig.begin(aggregations);
    ASSERT_TRUE(begun) << begun.error().message();
    ASSERT_TRUE(is_whole(rig));
  }
  // Every server is up, and has its shard of every aggregation.
  static bool is_whole(LogRig& rig) {
    return rig.wait_until([&] {
      for (unsigned i = 0; i < 6; ++i) {
        if (rig.inner(i).status().state != StoreState::kUp) return false;
      }
      return rig.writer().status().missing_shards == 0;
    });
  }
  static std::size_t shards_of(testing::RedisServer& server, LogRig& rig) {
    std::size_t count = 0;
    for (const testing::Appended& each : rig.model()) {
      count += server.command({"EXISTS", rig.key(each.reference.number)}) == "1" ? 1 : 0;
    }
    return count;
  }
  static void lose(testing::RedisServer& server, LogRig& rig, AggregationNumber first,
                   AggregationNumber last) {
    for (AggregationNumber number = first; number <= last; ++number) {
      EXPECT_EQ(server.command({"DEL", rig.key(number)}), "1");
    }
  }
  static bool reaches(LogRig& rig, unsigned index, StoreState state) {
    return rig.wait_until([&] { return rig.inner(index).status().state == state; });
  }

  testing::TempDirectory directory_;
};

// Line 5.
TEST_F(LogOnServers, a_server_flushed_while_writing_is_filled_again) {
  RedisFleet fleet(6);
  LogRig rig(options(fleet));
  begin(rig, 40);
  for (unsigned round = 0; round < 3; ++round) {
    fleet[round].command({"FLUSHALL"});
    rig.append(20);
    ASSERT_TRUE(rig.wait_committed(rig.model().size()));
    ASSERT_TRUE(rig.wait_until([&] { return shards_of(fleet[round], rig) == rig.model().size(); }))
        << "round " << round;
    ASSERT_TRUE(is_whole(rig)) << "round " << round;
  }
  EXPECT_TRUE(rig.logger().has("event=store_wiped"));
  EXPECT_TRUE(rig.logger().has("event=store_rebuilt"));
  rig.close_writer();
  // What was put again carries: two others may go.
  fleet[4].kill();
  fleet[5].kill();
  rig.expect_log_is_model();
}

// Line 6: no persistence, so a restart is an empty server.
TEST_F(LogOnServers, a_server_that_comes_back_empty_is_filled_again) {
  RedisFleet fleet(6);
  LogRig rig(options(fleet));
  begin(rig, 40);
  for (unsigned i : {1U, 2U}) fleet[i].restart();
  rig.append(10);
  ASSERT_TRUE(rig.wait_committed(50));
  for (unsigned i : {1U, 2U}) {
    ASSERT_TRUE(rig.wait_until([&] { return shards_of(fleet[i], rig) == 50; })) << i;
  }
  ASSERT_TRUE(is_whole(rig));
}

TEST_F(LogOnServers, a_rebuild_goes_on_in_the_next_opening) {
  RedisFleet fleet(6);
  LogRig rig(options(fleet));
  begin(rig, 60);
  rig.crash_writer();
  fleet[3].command({"FLUSHALL"});
  for (int life = 0; life < 3; ++life) {
    Status opened = rig.open_writer();
    ASSERT_TRUE(opened) << opened.error().message();
    rig.crash_writer();
  }
  ASSERT_TRUE(rig.open_writer());
  ASSERT_TRUE(rig.wait_until([&] { return shards_of(fleet[3], rig) == 60; }));
  ASSERT_TRUE(is_whole(rig));
}

// Beyond what the parity shards can bear there is nothing to fill a server from: it says so.
TEST_F(LogOnServers, one_wiped_server_too_many_is_not_used) {
  RedisFleet fleet(6);
  LogRig rig(options(fleet));
  begin(rig, 10);
  for (unsigned i = 0; i < 3; ++i) fleet[i].command({"FLUSHALL"});
  rig.append(5);
  ASSERT_TRUE(rig.wait_until([&] {
    std::map<StoreState, unsigned> states;
    for (unsigned i = 0; i < 3; ++i) ++states[rig.inner(i).status().state];
    return states[StoreState::kWiped] == 1 && states[StoreState::kRebuilding] == 2;
  }));
  EXPECT_TRUE(rig.logger().has("action=\"not used\""));
}

TEST_F(LogOnServers, wiped_store_is_not_end_of_log) {
  RedisFleet fleet(6);
  LogRig rig(options(fleet));
  begin(rig, 30);
  rig.close_writer();
  // As many as may be missing: the log is whole.
  for (unsigned i : {0U, 3U}) fleet[i].command({"FLUSHALL"});
  rig.expect_log_is_model();
  // One server is left that knows anything: never the end of the log, never a new vdisk.
  for (unsigned i : {1U, 2U, 4U}) fleet[i].command({"FLUSHALL"});
  auto reader = rig.read();
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Code::kUnavailable);
  EXPECT_THAT(reader.error().message(), HasSubstr("wiped"));
}

// R6: an append-only file that is synced once a second loses the newest of it.
TEST_F(LogOnServers, what_a_restart_lost_is_put_again_before_the_server_counts) {
  RedisFleet fleet(6, durable());
  LogRig rig(options(fleet));
  begin(rig, 1500);
  // The newest 300 and, so that more than the first look is needed, another 1100 before them.
  lose(fleet[2], rig, 101, 1500);
  fleet[2].command({"DEL", "tlog:vm1:meta:1"});
  fleet[2].restart();
  ASSERT_TRUE(rig.wait_until([&] { return rig.logger().has("event=store_verified"); }));
  EXPECT_TRUE(rig.logger().has("lost=1400"));
  ASSERT_TRUE(is_whole(rig));
  EXPECT_EQ(shards_of(fleet[2], rig), 1500U);
  ASSERT_TRUE(rig.wait_until([&] {
    return fleet[2].command({"EXISTS", "tlog:vm1:meta:1"}) == "1";
  }));
  EXPECT_FALSE(rig.logger().has("event=store_wiped"));
}

// What a server confirmed last is not always the newest of the log: repair puts old ones.
TEST_F(LogOnServers, what_a_restart_lost_in_the_middle_is_found) {
  RedisFleet fleet(6, durable());
  LogRig rig(options(fleet));
  begin(rig, 1500);
  lose(fleet[2], rig, 11, 30);
  fleet[2].restart();
  ASSERT_TRUE(rig.wait_until([&] { return rig.logger().has("event=store_verified"); }));
  EXPECT_TRUE(rig.logger().has("lost=0"));
  ASSERT_TRUE(rig.wait_until([&] { return shards_of(fleet[2], rig) == 1500; }));
}

// The next writer sees the same life of the server, and must not take it for one without losses.
TEST_F(LogOnServers, what_a_restart_lost_outlives_the_writer) {
  RedisFleet fleet(6, durable());
  LogRig rig(options(fleet));
  begin(rig, 100);
  rig.close_writer();  // its hints say that nothing is missing
  lose(fleet[2], rig, 1, 90);
  fleet[2].restart();
  rig.fault(2).set(testing::FaultStore::Mode::kDown);  // nothing can be looked up
  ASSERT_TRUE(rig.open_writer());
  rig.crash_writer();
  rig.fault(2).set(testing::FaultStore::Mode::kUp);
  EXPECT_EQ(shards_of(fleet[2], rig), 10U);
  ASSERT_TRUE(rig.open_writer());
  ASSERT_TRUE(rig.wait_until([&] { return shards_of(fleet[2], rig) == 100; }));
  ASSERT_TRUE(is_whole(rig));
  // And then that is that: the next one does not look again.
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().doubtful_shards == 0; }));
  rig.close_writer();
  lose(fleet[2], rig, 50, 50);
  ASSERT_TRUE(rig.open_writer());
  ASSERT_TRUE(is_whole(rig));
  EXPECT_EQ(rig.writer().status().doubtful_shards, 0U);
  EXPECT_EQ(shards_of(fleet[2], rig), 99U);
}

// The writer's host is lost with its hints while a server is filled again.
TEST_F(LogOnServers, a_rebuild_goes_on_with_few_hints_or_none) {
  for (const bool has_hints : {true, false}) {
    SCOPED_TRACE(has_hints);
    RedisFleet fleet(6, durable());
    LogRig rig(options(fleet));
    begin(rig, 100);
    rig.close_writer();
    ASSERT_TRUE(rig.open_writer());
    rig.fault(2).set(testing::FaultStore::Mode::kDown);  // it can be marked, not filled
    fleet[2].command({"FLUSHALL"});
    rig.append(5);  // behind what the hints say
    ASSERT_TRUE(rig.wait_committed(105));
    ASSERT_TRUE(rig.wait_until([&] { return rig.logger().has("event=store_rebuilding"); }));
    rig.crash_writer();
    rig.fault(2).set(testing::FaultStore::Mode::kUp);
    if (!has_hints) std::filesystem::remove(directory_.file("hints"));
    ASSERT_TRUE(rig.open_writer());
    ASSERT_TRUE(rig.wait_until([&] { return shards_of(fleet[2], rig) == 105; }));
    ASSERT_TRUE(is_whole(rig));
    rig.close_writer();
    std::filesystem::remove(directory_.file("hints"));
  }
}

// A confirmation that a restart has perhaps undone commits nothing before it was verified.
TEST_F(LogOnServers, a_suspect_servers_confirmation_does_not_commit) {
  RedisFleet fleet(6, durable());
  LogRig rig(options(fleet));
  begin(rig, 10);
  for (unsigned i : {4U, 5U}) rig.fault(i).set(testing::FaultStore::Mode::kDown);
  rig.append(1);
  for (unsigned i = 0; i < 4; ++i) {
    ASSERT_TRUE(rig.wait_until([&] { return shards_of(fleet[i], rig) == 11; }));
  }
  lose(fleet[2], rig, 11, 11);
  rig.fault(2).set(testing::FaultStore::Mode::kHang);  // it cannot be verified
  fleet[2].restart();
  ASSERT_TRUE(rig.wait_until([&] { return rig.logger().has("event=store_restarted"); }));
  rig.fault(4).set(testing::FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.wait_until([&] { return shards_of(fleet[4], rig) == 11; }));
  EXPECT_FALSE(rig.wait_committed(11, 1));  // four servers have it, five are needed
  rig.fault(2).set(testing::FaultStore::Mode::kUp);
  EXPECT_TRUE(rig.wait_committed(11));
}

TEST_F(LogOnServers, store_restart_heals_without_reopen) {
  RedisFleet fleet(6, durable());
  LogRig rig(options(fleet));
  begin(rig, 10);
  for (unsigned gone : {1U, 3U, 6U}) {  // 3 and 6: below the quorum
    for (unsigned i = 0; i < gone; ++i) fleet[i].kill();
    rig.append(10);
    if (gone == 1) {
      ASSERT_TRUE(rig.wait_committed(rig.model().size()));
    } else {
      ASSERT_TRUE(rig.wait_until([&] { return !rig.writer().status().waiting_for.empty(); }));
      EXPECT_LT(rig.committed(), rig.model().size());
    }
    for (unsigned i = 0; i < gone; ++i) fleet[i].start();
    ASSERT_TRUE(rig.wait_committed(rig.model().size())) << rig.writer().status().waiting_for;
    ASSERT_TRUE(is_whole(rig));
  }
  for (unsigned i = 0; i < 6; ++i) EXPECT_EQ(shards_of(fleet[i], rig), rig.model().size());
  rig.close_writer();
  rig.expect_log_is_model();
}

// Lines 3, 4, 10, 12: each of them while the others carry on; then it takes what it missed.
TEST_F(LogOnServers, failed_put_is_not_forgotten) {
  RedisFleet fleet(6, durable());
  LogRigOptions log = options(fleet);
  LogRig rig(log);
  begin(rig, 5);
  struct {
    std::function<void(testing::RedisServer&)> harm;
    std::function<void(testing::RedisServer&)> heal;
  } const cases[] = {
      {[](auto& server) {
         server.command({"CONFIG", "SET", "maxmemory", "1mb"});
       },
       [](auto& server) {
         server.command({"CONFIG", "SET", "maxmemory", "0"});
       }},
      {[](auto& server) {
         server.command({"CONFIG", "SET", "min-replicas-to-write", "2"});
       },
       [](auto& server) {
         server.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
       }},
      {[](auto& server) {
         server.command({"CLIENT", "PAUSE", "2000", "WRITE"});
       },
       [](auto& server) {
         server.command({"CLIENT", "UNPAUSE"});
       }},
      {[](auto& server) { server.pause(); }, [](auto& server) { server.resume(); }},
      {[](auto& server) { server.kill(); }, [](auto& server) { server.start(); }},
  };
  unsigned victim = 0;
  for (const auto& each : cases) {
    testing::RedisServer& server = fleet[victim++ % 6];
    each.harm(server);
    rig.append(10);
    ASSERT_TRUE(rig.wait_committed(rig.model().size())) << "case " << victim;
    each.heal(server);
    ASSERT_TRUE(is_whole(rig)) << "case " << victim;
    ASSERT_EQ(shards_of(server, rig), rig.model().size()) << "case " << victim;
  }
}

// The same server in two places would be one failure domain that counts as two.
TEST_F(LogOnServers, one_server_in_two_places_is_refused) {
  RedisFleet fleet(6);
  LogRigOptions log = options(fleet);
  auto make = log.make_store;
  log.make_store = [make](unsigned index, io::Loop& loop) {
    return make(index == 5 ? 4 : index, loop);
  };
  LogRig rig(log);
  ASSERT_TRUE(rig.create());
  Status opened = rig.open_writer();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("same server"));
}

}  // namespace
}  // namespace tlog::flush
