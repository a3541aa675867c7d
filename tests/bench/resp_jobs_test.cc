// Goal: scripts/bench compares with a client that does the whole work; one that skips keys, or
// leaves its own behind, would make every ratio wrong.
// Method: real servers with more keys than a pipeline and a page of SCAN hold, copied and read.
#include "tests/bench/resp_jobs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "tests/support/redis_server.h"

namespace tlog::bench {
namespace {

using tlog::testing::RedisFleet;
using tlog::testing::RedisServer;

// More than a page of SCAN, and not a multiple of the pipeline's depth.
constexpr int kKeys = 1110;

class RespJobsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
    servers_ = std::make_unique<RedisFleet>(2, testing::RedisOptions{.unix_socket = true});
  }
  RedisServer& server(std::size_t index) { return (*servers_)[index]; }
  // Values of 100 to 1209 bytes under "a:<i>", made by the server itself: a few at a time, so that
  // no single command takes long even on a machine that is busy with other things.
  void fill(RedisServer& server) {
    for (int first = 0; first < kKeys; first += 37) {
      server.command({"EVAL",
                      "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do "
                      "redis.call('SET', 'a:' .. i, string.rep(string.char(i % 256), 100 + i)) end",
                      "0", std::to_string(first), std::to_string(std::min(first + 37, kKeys))});
    }
    server.command({"HSET", "a:hash", "field", "value"});
    server.command({"SET", "b:other", "value"});
  }
  static constexpr std::uint64_t kBytes = std::uint64_t{kKeys} * 100 + kKeys * (kKeys - 1) / 2;

  std::unique_ptr<RedisFleet> servers_;
};

TEST_F(RespJobsTest, CopiesEveryMatchingStringWithItsBytes) {
  fill(server(0));
  const Moved moved = copy_all(server(0).address(), server(1).address(), "a:*");
  EXPECT_EQ(moved.keys, kKeys);
  EXPECT_EQ(moved.bytes, kBytes);
  EXPECT_EQ(server(1).command({"DBSIZE"}), std::to_string(kKeys));
  for (const char* key : {"a:0", "a:13", "a:1109"}) {
    EXPECT_EQ(server(1).command({"GET", key}), server(0).command({"GET", key})) << key;
  }
}

TEST_F(RespJobsTest, ReadsAllServers) {
  fill(server(0));
  fill(server(1));
  server(1).command({"DEL", "a:1"});
  const Moved moved = read_all(servers_->addresses(), "a:*");
  EXPECT_EQ(moved.keys, 2 * kKeys - 1);
  EXPECT_EQ(moved.bytes, 2 * kBytes - 101);
}

TEST_F(RespJobsTest, SetsOnEveryServerAndTidiesUp) {
  const auto us = parallel_sets_us(
      {.addresses = servers_->addresses(), .value_bytes = 25 * 1024, .seconds = 0.05});
  EXPECT_FALSE(us.empty());
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(server(i).command({"DBSIZE"}), "0");
    const std::string calls = "cmdstat_set:calls=" + std::to_string(us.size()) + ",";
    EXPECT_NE(server(i).command({"INFO", "commandstats"}).find(calls), std::string::npos);
  }
}

TEST_F(RespJobsTest, SaysWhatAServerRefuses) {
  server(1).command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_THROW(
      parallel_sets_us({.addresses = servers_->addresses(), .value_bytes = 100, .seconds = 0}),
      std::runtime_error);
}

}  // namespace
}  // namespace tlog::bench
