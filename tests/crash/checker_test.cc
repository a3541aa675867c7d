// Checks the checker. Goal: every broken promise is seen within a bounded number of crashes, and
// sound servers are not accused. Method: a plugin that breaks one promise (broken_disk.h), and
// stock servers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "tests/crash/process.h"
#include "tests/crash/rig.h"

namespace tlog::crash {
namespace {

constexpr unsigned kSoundRounds = 8;
constexpr unsigned kBrokenRoundsMax = 40;

struct Case {
  const char* name;
  const char* mode;
  Promises promises;
  unsigned connections;
  const char* fault;  // that must be among what is reported; null: the server is sound
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

constexpr Promises kNone = {.trim_zeroes = true};
constexpr Promises kOrdered = {.prefix = true, .atomic = true, .trim_zeroes = true};
constexpr Promises kAll = {.prefix = true, .atomic = true, .keep_acked = true, .trim_zeroes = true};

const Case kCases[] = {
    {"Sound", "sound", kOrdered, 4, nullptr},
    {"SoundOneConnection", "sound", kOrdered, 1, nullptr},
    {"WriteThrough", "write-through", kAll, 4, nullptr},
    {"ReorderWithoutPrefixPromise", "reorder", kNone, 4, nullptr},
    {"TornBlockWithoutAtomicPromise",
     "torn-block",
     {.keep_acked = true, .trim_zeroes = true},
     4,
     nullptr},
    {"NoFlush", "no-flush", kNone, 1, "LOST"},
    {"NoFua", "no-fua", kNone, 1, "LOST"},
    {"NoSync", "no-sync", kNone, 4, "LOST"},
    {"SkipWrites", "skip-writes", kNone, 4, "LOST"},
    {"LateFlush", "late-flush", kNone, 4, "LOST"},
    {"TornBlock", "torn-block", kAll, 4, "TORN"},
    {"TornCell", "torn-cell", kNone, 1, "TORN"},
    {"Misdirect", "misdirect", kNone, 4, "MISPLACED"},
    {"StaleRead", "stale-read", kNone, 4, "STALE"},
    {"LostZeroes", "lost-zeroes", kNone, 1, "LOST"},
    {"ReplayOld", "replay-old", kNone, 4, "LOST"},
    {"FlushOwnOnly", "flush-own-only", kNone, 4, "LOST"},
    {"Reorder", "reorder", kOrdered, 4, "LOST"},
    {"VolatileCacheLosesAcked", "sound", kAll, 4, "LOST"},
};

class CrashChecker : public testing::TestWithParam<Case> {};

RigOptions options_of(const ScratchDirectory& scratch, const Case& c) {
  const char* const plugin = std::getenv("BROKEN_PLUGIN");
  RigOptions options;
  options.server.command = std::string("nbdkit -f -t 8 -U {socket} ") +
                           (plugin == nullptr ? "" : plugin) + " mode=" + c.mode +
                           " file={dir}/disk.img size=4M";
  options.server.directory = scratch.path();
  options.promises = c.promises;
  options.connections = c.connections;
  options.run_ms_max = 40;
  options.seed = std::random_device()();
  return options;
}

TEST_P(CrashChecker, SeesWhatIsBrokenAndNothingElse) {
  const Case& c = GetParam();
  ASSERT_NE(std::getenv("BROKEN_PLUGIN"), nullptr) << "run by ctest, or set BROKEN_PLUGIN";
  const ScratchDirectory scratch("crash-checker");
  const RigOptions options = options_of(scratch, c);
  SCOPED_TRACE("seed " + std::to_string(options.seed));
  Rig rig(options);
  ASSERT_TRUE(rig.begin()) << tail_of(rig.server().log_path());
  bool seen = false;
  for (unsigned i = 0; i < (c.fault == nullptr ? kSoundRounds : kBrokenRoundsMax) && !seen; ++i) {
    const auto report = rig.round();
    ASSERT_TRUE(report) << report.error().message();
    if (c.fault == nullptr) {
      ASSERT_TRUE(report->violations.empty()) << violations_text(report->violations);
    }
    for (const Violation& violation : report->violations)
      seen = seen || fault_name(violation.fault) == std::string(c.fault);
  }
  EXPECT_EQ(seen, c.fault != nullptr) << "after " << rig.rounds_done() << " crashes";
}

INSTANTIATE_TEST_SUITE_P(Servers, CrashChecker, testing::ValuesIn(kCases),
                         [](const auto& one) { return one.param.name; });

// A stock server, so that the rig is not only true of our own plugin.
TEST(CrashCheckerStock, NbdkitFileKeepsWhatItAnswered) {
  const ScratchDirectory scratch("crash-checker");
  RigOptions options;
  options.server.command = "nbdkit -f -U {socket} file {dir}/disk.img";
  options.server.directory = scratch.path();
  options.promises = {.keep_acked = true, .trim_zeroes = true, .torn_reads_beside_writes = true};
  options.victim = Victim::kAlternate;
  options.connections = 4;
  options.run_ms_max = 30;
  options.seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(options.seed));
  std::ofstream(scratch.path() + "/disk.img") << std::string(4 << 20, '\0');
  Rig rig(options);
  ASSERT_TRUE(rig.begin()) << tail_of(rig.server().log_path());
  for (unsigned i = 0; i < 6; ++i) {
    const auto report = rig.round();
    ASSERT_TRUE(report) << report.error().message();
    ASSERT_TRUE(report->violations.empty()) << violations_text(report->violations);
  }
}

}  // namespace
}  // namespace tlog::crash
