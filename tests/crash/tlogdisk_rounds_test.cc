// Crash rounds on tlogdisk. Goal: whatever was answered is there after the server or its client was
// killed, as a prefix, in whole blocks, in the block contents and in a restore from the log.
// Method: the rig (rig.h) with every promise on. More rounds: TLOG_CRASH_ROUNDS=1000; the same
// requests again: TLOG_CRASH_SEED=N.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "tests/crash/process.h"
#include "tests/crash/tlogdisk_disk.h"

namespace tlog::crash {
namespace {

// A server that has to recover answers its first request within this, also on a busy machine under
// a sanitizer.
constexpr double kRestartSecondsMax = 10;

RigOptions rig_options(const testing::Site& site) {
  RigOptions options;
  options.server = tlogdisk_server(site);
  options.promises = kTlogdiskPromises;
  options.seed = crash_seed();
  return options;
}

void run_rounds(const RigOptions& options, unsigned rounds) {
  SCOPED_TRACE(fmt::format("again: TLOG_CRASH_SEED={}", options.seed));
  Rig rig(options);
  const Status begun = rig.begin();
  ASSERT_TRUE(begun) << begun.error().message();
  std::uint64_t answered = 0;
  for (unsigned i = 0; i < rounds; ++i) {
    const auto report = rig.round();
    ASSERT_TRUE(report) << "round " << i << ": " << report.error().message()
                        << tail_of(rig.server().log_path());
    ASSERT_TRUE(report->violations.empty()) << "round " << i << ":\n"
                                            << violations_text(report->violations);
    ASSERT_LT(report->restart_seconds, kRestartSecondsMax);
    answered += report->answered;
  }
  EXPECT_GT(answered, rounds);
  const Status ended = rig.end();
  EXPECT_TRUE(ended) << ended.error().message();
}

class CrashRounds : public ::testing::TestWithParam<unsigned> {};

TEST_P(CrashRounds, NothingAnsweredIsLost) {
  const testing::Site site(crash_site_options());
  RigOptions options = rig_options(site);
  options.connections = GetParam();
  options.victim = Victim::kAlternate;
  options.restore_command = tlogdisk_restore_command(site);
  options.restore_every = 10;
  run_rounds(options, crash_rounds(50));
}

INSTANTIATE_TEST_SUITE_P(Connections, CrashRounds, ::testing::Values(1U, 4U));

TEST(Crash, answered_write_survives_kill) {
  const testing::Site site(crash_site_options());
  RigOptions options = rig_options(site);
  options.flushes = false;
  options.connections = 2;
  run_rounds(options, 10);
}

// Only what NBD itself promises, so that it is the flush and nothing else that covers the other
// connections' writes.
TEST(Crash, flush_covers_other_connections) {
  const testing::Site site(crash_site_options());
  RigOptions options = rig_options(site);
  options.promises = {.trim_zeroes = true};
  options.connections = 4;
  run_rounds(options, 10);
}

TEST(Crash, abrupt_close_with_writes_in_flight) {
  const testing::Site site(crash_site_options());
  RigOptions options = rig_options(site);
  options.server = tlogdisk_server(site, 1);  // one thread a connection: nbdkit 1.32 survives this
  options.victim = Victim::kClient;
  options.connections = 4;
  options.depth = 64;
  options.run_ms_max = 20;
  run_rounds(options, 10);
}

TEST(Crash, client_vanishes_with_requests_in_flight) {
  const testing::Site other_site(crash_site_options());
  Server other(tlogdisk_server(other_site));
  ASSERT_TRUE(other.start()) << tail_of(other.log_path());

  const testing::Site site(crash_site_options());
  RigOptions options = rig_options(site);
  options.server = tlogdisk_server(site, 64);  // nbdkit 1.32 may abort; nothing may be lost by it
  options.victim = Victim::kClient;
  options.connections = 4;
  options.depth = 64;
  options.run_ms_max = 20;
  run_rounds(options, 15);

  EXPECT_TRUE(other.alive()) << "another vdisk's process died: " << other.last_end();
  EXPECT_TRUE(read_image(other.uri()));
}

}  // namespace
}  // namespace tlog::crash
