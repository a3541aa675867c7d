// Goal: with a write concern of 2 of 3, whichever server dies or is cut off, at whatever moment:
// what counts as stored is in two logs, each log has each record once and in order, and all of them
// are whole in the end. Method: servers killed and cut in turn at random moments while a writer
// goes on; every twentieth round all die, and the stores are looked into. On slow stores in memory,
// and on real redis (a database for each server). TLOG_CLIENT_ROUNDS, TLOG_SEED.
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/fault/client/served.h"

namespace tlog::testing {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

class ClientKillTest : public Served {
 protected:
  // What counted as stored when they all died is in two of them.
  void kill_all_and_look() {
    for (std::size_t i = 0; i < servers.size(); ++i) kill(i);
    const Sequence acknowledged = rig.client().stored();
    unsigned having = 0;
    for (std::size_t i = 0; i < servers.size(); ++i) having += count_stored(i) >= acknowledged;
    EXPECT_GE(having, 2U) << acknowledged;
  }
  void write_until(const std::atomic<bool>& stop, std::uint64_t seed) {
    std::mt19937_64 chance(seed);
    while (!stop) {
      rig.append(1 + chance() % 20);
      if (chance() % 4 == 0) rig.client().force(rig.end());
      std::this_thread::sleep_for(std::chrono::microseconds(chance() % 3000));
    }
  }
  void disturb(std::uint64_t rounds, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
      const std::size_t victim = random() % servers.size();
      const Sequence target = rig.client().stored() + 1 + random() % 60;
      if (random() % 3 != 0) {
        kill(victim);
      } else {
        proxies[victim]->reset_connections();
      }
      EXPECT_TRUE(rig.wait_stored(target))
          << "round " << round << ": " << rig.client().waiting_for();
      if (round % 20 == 4) kill_all_and_look();
      for (std::size_t i = 0; i < servers.size(); ++i) start(i);
    }
  }
  void run(std::uint64_t rounds) {
    const std::uint64_t seed = number_from("TLOG_SEED", std::random_device()());
    SCOPED_TRACE("TLOG_SEED=" + std::to_string(seed));
    ASSERT_TRUE(open(2));
    std::atomic<bool> stop{false};
    std::thread writer([&] { write_until(stop, seed + 1); });
    disturb(number_from("TLOG_CLIENT_ROUNDS", rounds), seed);
    stop = true;
    writer.join();
    for (std::size_t i = 0; i < servers.size(); ++i) EXPECT_TRUE(complete(i));
    EXPECT_EQ(rig.failures, 0);
    check_all_logs();
    if (HasFailure()) GTEST_LOG_(INFO) << rig.logger.lines();
  }
};

// Under tsan each round takes ten times as long.
#ifdef __SANITIZE_THREAD__
constexpr std::uint64_t kRounds = 25;
constexpr std::uint64_t kRoundsOnRedis = 5;
#else
constexpr std::uint64_t kRounds = 100;
constexpr std::uint64_t kRoundsOnRedis = 20;
#endif

TEST_F(ClientKillTest, NothingStoredIsLost) {
  make_servers(3);
  for (auto& server : servers) server->contents(std::string(kServedVdisk)).delay(200'000);
  run(kRounds);
}

TEST_F(ClientKillTest, NothingStoredIsLostOnRedis) {
  if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
  RedisFleet redis(kRigStores);
  make_servers(3, &redis);
  run(kRoundsOnRedis);
  for (auto& server : servers) server.reset();  // before the redis-servers
}

}  // namespace
}  // namespace tlog::testing
