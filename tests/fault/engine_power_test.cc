// Goal: power loss at any moment: everything flushed is there, what is there is a prefix, block
// contents and log agree. Method: the whole engine on a disk that forgets what was not synced (all
// of it, random blocks, torn sectors). The cut comes while a stamped writer runs; several cuts
// follow each other on one disk.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/support/engine_rig.h"
#include "tests/support/forgetful_files.h"
#include "tests/support/stamped_writer.h"
#include "tests/support/temp_directory.h"

namespace tlog::session {
namespace {

using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::ForgetfulFiles;
using tlog::testing::PowerCut;
using tlog::testing::StampedWriter;

constexpr std::uint64_t kBlocks = 256;

EngineRigOptions options_in(const std::string& directory) {
  EngineRigOptions options;
  options.directory = directory;
  options.vdisk_size = kBlocks * 4096;
  options.journal_size = 4 * kMiB;
  options.arena_size = kMiB;
  options.data_shards = 2;
  options.parity_shards = 1;
  options.flush_size = 10;
  options.stall_timeout_ns = 2'000'000'000;
  return options;
}

int rounds() {
  const char* text = std::getenv("TLOG_POWER_ROUNDS");
  return text != nullptr ? std::atoi(text) : 12;
}

class EnginePower : public ::testing::TestWithParam<PowerCut> {};

TEST_P(EnginePower, flush_waits_for_the_log) {
  std::uint64_t seed = std::random_device()();
  if (const char* text = std::getenv("TLOG_SEED")) seed = std::strtoull(text, nullptr, 10);
  SCOPED_TRACE(::testing::Message() << "TLOG_SEED=" << seed);
  std::mt19937_64 random(seed);
  tlog::testing::TempDirectory directory;
  ForgetfulFiles files(directory.path());
  StampedWriter writer(kBlocks, seed);
  { EngineRig key_is_made(options_in(directory.path()), files); }
  for (int round = 0; round < rounds(); ++round) {
    SCOPED_TRACE(::testing::Message() << "round " << round);
    EngineRig rig(options_in(directory.path()), files);
    Status started = rig.try_start();
    ASSERT_TRUE(started) << started.error().message();
    ASSERT_EQ(writer.check(rig.vdisk(), false), "");
    std::thread cut([&, wait_us = random() % 60'000, cut_seed = random()] {
      std::this_thread::sleep_for(
          std::chrono::microseconds(wait_us));  // the moment is what is random here
      files.power_off(cut_seed, GetParam());
    });
    Status ran = writer.run(rig.vdisk(), 1'000'000);
    cut.join();
    EXPECT_FALSE(ran);
    rig.stop(0);
    files.power_on();
  }
}

INSTANTIATE_TEST_SUITE_P(Cuts, EnginePower,
                         ::testing::Values(PowerCut::kDropAll, PowerCut::kDropBlocks,
                                           PowerCut::kTearSectors));

}  // namespace
}  // namespace tlog::session
