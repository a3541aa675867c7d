// Goal: whichever stripe's server dies or is cut off, at whatever moment: what counts as stored is
// in the stripes, each record once and in order, and the log is whole in the end. Method: servers
// killed and cut in turn at random moments while a writer goes on; every twentieth round all die,
// and the stores are looked into. On slow stores in memory. TLOG_CLIENT_ROUNDS, TLOG_SEED.
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/fault/client/striped.h"

namespace tlog::testing {
namespace {

constexpr unsigned kStripes = 3;

std::uint64_t environment_number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

class ClientStripesKillTest : public Striped {
 protected:
  void kill_all_and_look() {
    for (std::size_t i = 0; i < servers.size(); ++i) kill(i);
    const Sequence acknowledged = rig.client().stored();
    const auto records = whole_log(kStripes);
    EXPECT_GE(records.size(), acknowledged);
    EXPECT_EQ(rig.difference(records, records.size()), "");
  }
  void write_until(const std::atomic<bool>& stop, std::uint64_t seed) {
    std::mt19937_64 chance(seed);
    while (!stop) {
      rig.append(1 + chance() % 60);
      if (chance() % 4 == 0) rig.client().force(rig.end());
      std::this_thread::sleep_for(std::chrono::microseconds(chance() % 3000));
    }
  }
  void disturb(std::uint64_t rounds, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
      const std::size_t victim = random() % servers.size();
      const std::size_t other = (victim + 1) % servers.size();
      const Sequence had = rig.marker(other).stored;
      if (random() % 3 != 0) {
        kill(victim);
      } else {
        proxies[victim]->reset_connections();
      }
      // The others carry on meanwhile.
      EXPECT_TRUE(eventually([&] { return rig.marker(other).stored > had; }))
          << "round " << round << ": " << rig.client().waiting_for();
      if (round % 20 == 4) kill_all_and_look();
      for (std::size_t i = 0; i < servers.size(); ++i) start(i);
      const Sequence target = rig.client().stored() + 1 + random() % 200;
      EXPECT_TRUE(rig.wait_stored(target))
          << "round " << round << ": " << rig.client().waiting_for();
    }
  }
};

// Under tsan each round takes ten times as long.
#ifdef __SANITIZE_THREAD__
constexpr std::uint64_t kStripedRounds = 25;
#else
constexpr std::uint64_t kStripedRounds = 100;
#endif

TEST_F(ClientStripesKillTest, NothingStoredIsLost) {
  const std::uint64_t seed = environment_number("TLOG_SEED", std::random_device()());
  SCOPED_TRACE("TLOG_SEED=" + std::to_string(seed));
  make_servers(kStripes);
  for (unsigned i = 0; i < kStripes; ++i) {
    servers[i]->contents(format::stripe_name(kServedVdisk, i)).delay(200'000);
  }
  ASSERT_TRUE(open_striped(striped(kStripes)));
  std::atomic<bool> stop{false};
  std::thread writer([&] { write_until(stop, seed + 1); });
  disturb(environment_number("TLOG_CLIENT_ROUNDS", kStripedRounds), seed);
  stop = true;
  writer.join();
  EXPECT_TRUE(stored(rig.end()));
  EXPECT_EQ(rig.failures, 0);
  check_whole_log(kStripes);
  if (HasFailure()) GTEST_LOG_(INFO) << rig.logger.lines();
}

}  // namespace
}  // namespace tlog::testing
