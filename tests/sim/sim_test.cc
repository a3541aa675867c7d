// Goal: whatever servers, network and crashes do to a log, as far as its contract goes: what was
// acknowledged is there, what is read is what was appended, nothing hangs, and after the heal every
// shard is in its place.
// Method: scenarios of the simulation, seed after seed. What it checks is itself checked against
// servers that break the contract. A seed that fails is replayed with
//   log_sim --seed N --trace
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "tests/sim/scenario.h"

namespace tlog::sim {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(LogSimulation, keeps_its_promises) {
  const std::uint64_t first = from_environment("TLOG_SEED", 1);
  const std::uint64_t seeds = from_environment("TLOG_SIM_SEEDS", 25);
  ScenarioCounts counts;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const ScenarioResult result = run_scenario({.seed = seed});
    counts += result.counts;
    EXPECT_FALSE(result.failure) << "log_sim --seed " << seed << " --trace: " << *result.failure;
  }
  std::printf("%s\n", counts.text().c_str());
  // A simulation in which nothing happens would keep any promise.
  if (seeds < 20) return;
  EXPECT_GT(counts.acknowledged, seeds * 10);
  EXPECT_GT(counts.walks, seeds);
  EXPECT_GT(counts.crashed, seeds / 4);
  EXPECT_GT(counts.faults, seeds * 5);
  EXPECT_GT(counts.losses, seeds);
}

// Two hosts, neither knowing of the other, with all that a fenced one has sent arriving late.
TEST(LogSimulation, takeovers_lose_nothing) {
  ScenarioCounts counts;
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    const ScenarioResult result = run_scenario({.seed = seed, .rivals = true});
    counts += result.counts;
    EXPECT_FALSE(result.failure) << "log_sim --rivals --seed " << seed
                                 << " --trace: " << *result.failure;
  }
  std::printf("%s\n", counts.text().c_str());
  EXPECT_GT(counts.fenced, 8U);
  EXPECT_GT(counts.opened, 40U);
}

TEST(LogSimulation, a_seed_is_a_history) {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 100; seed < 105; ++seed) {
    const ScenarioResult once = run_scenario({.seed = seed});
    const ScenarioResult again = run_scenario({.seed = seed});
    EXPECT_EQ(once.trace_hash, again.trace_hash) << "seed " << seed;
    EXPECT_EQ(once.counts.events, again.counts.events);
    hashes.insert(once.trace_hash);
  }
  EXPECT_EQ(hashes.size(), 5U) << "other seeds must give other histories";
}

std::uint64_t seeds_that_fail(Broken broken, std::uint64_t seeds) {
  std::uint64_t failed = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    failed += run_scenario({.seed = seed, .broken = broken}).failure ? 1 : 0;
  }
  return failed;
}

TEST(LogSimulation, servers_that_say_ok_and_keep_nothing_are_seen) {
  EXPECT_EQ(seeds_that_fail(Broken::kForgetfulServers, 5), 5U);
}

TEST(LogSimulation, losses_beyond_the_contract_are_seen) {
  EXPECT_GT(seeds_that_fail(Broken::kTooMuchIsLost, 8), 2U);
}

TEST(LogSimulation, an_acknowledged_end_that_is_gone_is_seen) {
  EXPECT_EQ(seeds_that_fail(Broken::kLostTail, 5), 5U);
}

}  // namespace
}  // namespace tlog::sim
