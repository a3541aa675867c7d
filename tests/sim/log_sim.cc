// log_sim: runs seeds of the simulation of a log.
//   log_sim                         a thousand seeds, from one that the clock gives
//   log_sim --seed N --trace        one seed, telling everything
//   log_sim --seeds N --seed FIRST  N seeds
//   log_sim --for 1h                as many as there is time for
// A seed that fails is printed with the line that replays it; the exit code is then 1.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>

#include "tests/sim/scenario.h"

namespace {

using tlog::sim::ScenarioCounts;
using tlog::sim::ScenarioResult;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kFailuresMax = 20;  // then something is wrong with all

struct Arguments {
  std::uint64_t seed = 0;
  std::uint64_t seeds = 0;
  std::uint64_t seconds = 0;
  bool rivals = false;
  bool standby = false;
  bool trace = false;
};

int run(const Arguments& arguments, std::uint64_t first) {
  const auto begin = Clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  ScenarioCounts counts;
  std::uint64_t run = 0;
  std::uint64_t failed = 0;
  const auto goes_on = [&] {
    if (failed >= kFailuresMax) return false;
    if (arguments.seconds > 0 && passed() >= static_cast<double>(arguments.seconds)) return false;
    return arguments.seeds == 0 || run < arguments.seeds;
  };
  for (std::uint64_t seed = first; goes_on(); ++seed, ++run) {
    const ScenarioResult result =
        tlog::sim::run_scenario({.seed = seed,
                                 .standby = arguments.standby,
                                 .rivals = arguments.rivals,
                                 .trace = arguments.trace ? stdout : nullptr});
    counts += result.counts;
    if (!result.failure) continue;
    ++failed;
    std::printf("seed %llu FAILED: %s\n  replay: log_sim --seed %llu%s%s --trace\n",
                static_cast<unsigned long long>(seed), result.failure->c_str(),
                static_cast<unsigned long long>(seed), arguments.rivals ? " --rivals" : "",
                arguments.standby ? " --standby" : "");
    std::fflush(stdout);
  }
  std::printf("%llu seeds from %llu, %llu failed, %.0f a minute; %s\n",
              static_cast<unsigned long long>(run), static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(failed), static_cast<double>(run) / passed() * 60,
              counts.text().c_str());
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("Simulates a log, its servers and their faults, one seed after the other",
               "log_sim");
  Arguments arguments;
  auto* seed = app.add_option("--seed", arguments.seed, "the first seed (default: the clock's)");
  auto* seeds =
      app.add_option("--seeds", arguments.seeds, "how many (default: 1000, or 1 after --seed)");
  auto* time = app.add_option("--for", arguments.seconds, "as many as this time allows: 90s, 1h")
                   ->transform(CLI::AsNumberWithUnit(
                       std::map<std::string, std::uint64_t>{{"s", 1}, {"m", 60}, {"h", 3600}}));
  app.add_flag("--rivals", arguments.rivals, "two hosts that take the vdisk over from each other");
  app.add_flag("--standby", arguments.standby, "a standby cluster beside the log");
  app.add_flag("--trace", arguments.trace, "tell everything that happens");
  CLI11_PARSE(app, count, values);
  if (seeds->count() == 0) {
    arguments.seeds = time->count() > 0 ? 0 : seed->count() > 0 ? 1 : 1000;
  }
  const std::uint64_t first =
      seed->count() > 0 ? arguments.seed
                        : static_cast<std::uint64_t>(
                              std::chrono::system_clock::now().time_since_epoch().count()) /
                              1'000'000;
  return run(arguments, first);
}
