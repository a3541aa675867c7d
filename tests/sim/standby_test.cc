// Goal: what a standby cluster says of itself is so, whatever befalls its servers and the log's; it
// is refused when another history has brought it where it is, and never otherwise; after the heal
// it is the disk that the committed log makes.
// Method: scenarios of the simulation with a standby, seed after seed; each check is seen to fail
// when what it is for is broken on purpose. A seed that fails is replayed with
//   log_sim --standby --seed N --trace
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/scenario.h"

namespace tlog::sim {
namespace {

ScenarioCounts run_seeds(std::uint64_t first, std::uint64_t seeds, bool rivals) {
  ScenarioCounts counts;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const ScenarioResult result = run_scenario({.seed = seed, .standby = true, .rivals = rivals});
    counts += result.counts;
    EXPECT_FALSE(result.failure) << "log_sim --standby" << (rivals ? " --rivals" : "") << " --seed "
                                 << seed << " --trace: " << *result.failure;
  }
  std::printf("%s\n", counts.text().c_str());
  return counts;
}

TEST(StandbySimulation, is_what_it_says) {
  const char* first = std::getenv("TLOG_SEED");
  const char* seeds = std::getenv("TLOG_SIM_SEEDS");
  const std::uint64_t count = seeds != nullptr ? std::strtoull(seeds, nullptr, 10) : 10;
  const ScenarioCounts counts =
      run_seeds(first != nullptr ? std::strtoull(first, nullptr, 10) : 1, count, false);
  if (count < 10) return;
  // A simulation in which nothing happens would keep any promise.
  EXPECT_GT(counts.waited, count * 20);
  EXPECT_GT(counts.losses, count);
  EXPECT_GT(counts.crashed, count / 4);
}

// The followers of two hosts on the same servers, with all that a fenced one has sent arriving
// late.
TEST(StandbySimulation, takeovers_leave_it_whole) {
  const ScenarioCounts counts = run_seeds(121, 6, true);
  EXPECT_GT(counts.fenced, 1U);
  EXPECT_GT(counts.opened, 10U);
}

TEST(StandbySimulation, a_seed_is_a_history) {
  const ScenarioOptions options{.seed = 7, .standby = true};
  EXPECT_EQ(run_scenario(options).trace_hash, run_scenario(options).trace_hash);
}

// How many of some seeds end with a failure that says this.
std::uint64_t seeds_that_say(Broken broken, const std::string& text) {
  std::uint64_t said = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto failure =
        run_scenario({.seed = seed, .broken = broken, .standby = true}).failure.value_or("");
    said += failure.find(text) != std::string::npos ? 1 : 0;
  }
  return said;
}

TEST(StandbySimulation, blocks_that_a_server_did_not_keep_are_seen) {
  EXPECT_GT(seeds_that_say(Broken::kStandbyForgets, "is of neither"), 7U);
}

TEST(StandbySimulation, a_position_ahead_of_the_servers_is_seen) {
  EXPECT_GT(seeds_that_say(Broken::kStandbySaysTooMuch, "the standby is said to have"), 7U);
}

TEST(StandbySimulation, an_answer_from_memory_is_seen) {
  EXPECT_GT(seeds_that_say(Broken::kStandbyDoesNotAsk, "has had no more than"), 0U);
}

TEST(StandbySimulation, a_standby_that_another_log_has_brought_where_it_is_is_refused) {
  EXPECT_GT(seeds_that_say(Broken::kStandbyChainChanged, "it followed a log with"), 5U);
}

TEST(StandbySimulation, a_block_that_is_changed_after_the_heal_is_seen) {
  EXPECT_EQ(seeds_that_say(Broken::kStandbyChanged, "of block 0 is of neither"), 10U);
}

}  // namespace
}  // namespace tlog::sim
