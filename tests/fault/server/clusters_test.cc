// A cluster that does not answer keeps its own vdisks waiting, and no other's.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <list>

#include "tests/fault/server/server_rig.h"
#include "tests/support/redis_server.h"
#include "tlog/store/stores.h"

namespace tlog::testing {
namespace {

// Less than what a store that hangs is given to answer (10 s), more than an opening takes.
constexpr std::chrono::seconds kSoon{5};
constexpr unsigned kCrowd = 40;  // more than there are threads for one cluster

struct Clusters : ::testing::Test {
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
    redis = std::make_unique<RedisServer>();
    rig = std::make_unique<ServerRig>([](server::ServerOptions& options) {
      options.cluster_of = [](const std::string& vdisk) {
        return vdisk.starts_with("dead") ? std::string("dead") : std::string("good");
      };
    });
    rig->make_store = [this](const std::string& vdisk, unsigned index, io::Loop& loop) {
      if (!vdisk.starts_with("dead"))
        return store::make_memory_store(fmt::format("memory {}", index), loop,
                                        rig->contents(vdisk).stores[index]);
      store::RespStoreOptions options;
      options.address = redis->address();
      options.db = fmt::to_string(index);
      options.vdisk = vdisk;
      return std::move(store::open_resp_store(options, loop, rig->logger()).value());
    };
  }
  void TearDown() override {
    if (redis) redis->resume();  // what hangs ends with an answer
  }
  template <class Hello>
  void hang(const Hello& hello) {
    redis->pause();
    for (unsigned i = 0; i < kCrowd; ++i) {
      waiting.push_back(rig->stranger());
      waiting.back().say(hello(i));
    }
  }
  void expect_that_others_are_opened_soon() {
    const auto begin = std::chrono::steady_clock::now();
    SessionClient writer = rig->client("good", 99);
    writer.enter();
    writer.write(3);
    EXPECT_EQ(writer.flush(3), 3U);
    SessionClient reader(rig->address(), rig->reader("good"));
    reader.enter();
    EXPECT_TRUE(reader.read(1, 3) == writer.model());
    writer.say_goodbye();
    SessionClient next = rig->client("good", 98);
    EXPECT_EQ(refused(next).code, Code::kFenced) << "the first has been closed";
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kSoon);
    for (FrameClient& each : waiting)
      EXPECT_FALSE(each.has_something(0)) << "the dead cluster has answered, it was not dead";
  }

  std::unique_ptr<RedisServer> redis;
  std::unique_ptr<ServerRig> rig;
  std::list<FrameClient> waiting;
};

TEST_F(Clusters, that_hang_at_writers_openings_keep_no_other_from_being_opened) {
  hang([&](unsigned i) { return rig->hello(fmt::format("dead{}", i), 1); });
  expect_that_others_are_opened_soon();
}

TEST_F(Clusters, that_hang_at_readers_openings_keep_no_other_from_being_opened) {
  hang([&](unsigned i) { return rig->reader(fmt::format("dead{}", i)); });
  expect_that_others_are_opened_soon();
}

}  // namespace
}  // namespace tlog::testing
