// Goal: whatever file operation fails, no wrong byte is ever served, nothing hangs, and everything
// flushed is there at the next opening. Method: the Nth file operation fails, N = 1, 2, 3 ... until
// a run meets no fault; then the engine is opened without faults and every block is checked.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/engine_rig.h"
#include "tests/support/fault_files.h"
#include "tests/support/stamped_writer.h"
#include "tests/support/temp_directory.h"

namespace tlog::session {
namespace {

using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::Fault;
using tlog::testing::FaultFiles;
using tlog::testing::StampedWriter;

constexpr std::uint64_t kBlocks = 64;

EngineRigOptions options_in(const std::string& directory) {
  EngineRigOptions options;
  options.directory = directory;
  options.vdisk_size = kBlocks * 4096;
  options.journal_size = 2 * kMiB;
  options.arena_size = kMiB;
  options.data_shards = 2;
  options.parity_shards = 1;
  options.flush_size = 10;
  options.stall_timeout_ns = 300'000'000;
  return options;
}

// One life with a fault somewhere in it, then one without: true when the fault was met.
bool one_round(const Fault& fault) {
  tlog::testing::TempDirectory directory;
  FaultFiles files(io::system_files());
  StampedWriter writer(kBlocks, fault.nth);
  {
    EngineRig rig(options_in(directory.path()), files);
    files.inject(fault);
    if (rig.try_start()) {
      (void)writer.run(rig.vdisk(),
                       60);  // may fail from some point on; what counts is the check below
      rig.stop(500'000'000);
    }
  }
  const bool fired = files.fired();
  files.clear();
  EngineRig rig(options_in(directory.path()), files);
  Status started = rig.try_start();
  EXPECT_TRUE(started) << started.error().message();
  if (started) {
    EXPECT_EQ(writer.check(rig.vdisk(), true), "");
    Status more = writer.run(rig.vdisk(), 30);
    EXPECT_TRUE(more) << more.error().message();
    auto stored = rig.vdisk().flush_to_stores(10'000'000'000);
    EXPECT_TRUE(stored) << stored.error().message();
  }
  if (::testing::Test::HasFailure()) {
    for (const std::string& failure : files.failures())
      ADD_FAILURE() << "nth " << fault.nth << ": " << failure;
  }
  return fired;
}

std::uint64_t step() {
  const char* text = std::getenv("TLOG_FAULT_STEP");  // 1: every operation; more: a sample
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 3;
}

TEST(EngineFault, TheNthOperationFailsOnce) {
  for (std::uint64_t nth = 1; !HasFailure(); nth += step()) {
    if (!one_round({.nth = nth})) break;
  }
}

TEST(EngineFault, FromTheNthOperationOnTheDiskIsFull) {
  unsigned growing = tlog::testing::kWriteFile | tlog::testing::kResizeFile |
                     tlog::testing::kPreallocateFile | tlog::testing::kOpenFile |
                     tlog::testing::kMakeDirectories;
  for (std::uint64_t nth = 1; !HasFailure(); nth += 2 * step()) {
    if (!one_round({.operations = growing, .nth = nth, .error_number = ENOSPC, .sticky = true}))
      break;
  }
}

TEST(EngineFault, sync_failure_is_final) {
  tlog::testing::TempDirectory directory;
  FaultFiles files(io::system_files());
  StampedWriter writer(kBlocks, 1);
  EngineRig rig(options_in(directory.path()), files);
  rig.start();
  ASSERT_TRUE(writer.run(rig.vdisk(), 20));
  ASSERT_TRUE(rig.vdisk().flush());
  files.inject(
      {.operations = tlog::testing::kSyncFile, .nth = 1, .path_contains = "/journal/vm1/segment-"});
  std::vector<std::byte> data(4096, std::byte{0});
  EXPECT_FALSE(rig.vdisk().write(0, data, true));
  ASSERT_TRUE(files.fired());
  files.clear();  // the disk is well again; the vdisk must not be
  Status wrote = rig.vdisk().write(4096, data, false);
  ASSERT_FALSE(wrote);
  EXPECT_EQ(wrote.error().code(), Code::kIoError);
  EXPECT_FALSE(rig.vdisk().flush());
  EXPECT_EQ(rig.vdisk().status().state, State::kFailed);
  rig.stop(100'000'000);
  rig.start();
  EXPECT_TRUE(rig.vdisk().write(0, data, true));
}

TEST(EngineFault, AFailedFlushOfBlockStorageIsFinal) {
  tlog::testing::TempDirectory directory;
  FaultFiles files(io::system_files());
  StampedWriter writer(kBlocks, 2);
  {
    EngineRig rig(options_in(directory.path()), files);
    rig.start();
    files.inject(
        {.operations = tlog::testing::kSyncFile, .nth = 1, .path_contains = "/blocks/vm1"});
    for (int i = 0; i < 200 && !files.fired(); ++i)
      (void)writer.run(rig.vdisk(), 50);  // the journal must wrap
    ASSERT_TRUE(files.fired());
    rig.stop(100'000'000);
  }
  files.clear();
  EngineRig rig(options_in(directory.path()), files);
  rig.start();
  EXPECT_EQ(writer.check(rig.vdisk(), true), "");
}

}  // namespace
}  // namespace tlog::session
