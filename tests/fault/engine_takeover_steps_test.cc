// Goal: a takeover may end at any of its steps. Method: a disk on which everything fails from the
// Nth operation on; then the vdisk is served with everything, or refused, and the takeover can be
// repeated.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/engine_rig.h"
#include "tests/support/fault_files.h"
#include "tests/support/temp_directory.h"

namespace tlog::session {
namespace {

using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::ShadowDisk;

TEST(EngineTakeoverSteps, every_step_may_be_the_last) {
  unsigned interrupted = 0;
  unsigned served_unfinished = 0;
  for (std::uint64_t nth = 1;; nth += nth < 40 ? 1 : 7) {
    SCOPED_TRACE(nth);
    tlog::testing::TempDirectory directory;
    tlog::testing::FaultFiles files(io::system_files());
    EngineRigOptions options;
    options.directory = directory.path();
    options.vdisk_size = kMiB;
    options.journal_size = 2 * kMiB;
    options.arena_size = kMiB;
    options.data_shards = 2;
    options.parity_shards = 1;
    EngineRig rig(options, files);
    ShadowDisk shadow(kMiB);
    rig.start();
    for (unsigned i = 0; i < 20; ++i) ASSERT_TRUE(shadow.random_step(rig.vdisk(), 900 + i));
    ASSERT_TRUE(rig.vdisk().flush_to_stores(20'000'000'000));
    rig.stop();
    std::filesystem::remove_all(directory.file("journal"));

    files.inject({.nth = nth, .sticky = true});
    const bool first = rig.take_over().has_value();
    const bool fired = files.fired();
    files.clear();
    if (!first) {
      ++interrupted;
      // Refused, or complete.
      if (rig.try_start()) {
        ++served_unfinished;
        EXPECT_EQ(shadow.difference(rig.vdisk()), "");
        rig.stop();
      } else {
        auto again = rig.take_over();
        ASSERT_TRUE(again) << again.error().message();
      }
    }
    if (!rig.running()) rig.start();
    ASSERT_EQ(shadow.difference(rig.vdisk()), "");
    ASSERT_TRUE(shadow.random_step(rig.vdisk(), 999));
    ASSERT_TRUE(rig.vdisk().flush());
    rig.stop();
    if (!fired) break;  // that many steps there are not
  }
  EXPECT_GT(interrupted, 40U);
  EXPECT_LT(served_unfinished, interrupted / 2);
}

}  // namespace
}  // namespace tlog::session
