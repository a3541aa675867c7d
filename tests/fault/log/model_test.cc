// Goal: whatever the stores do and however writers end, the log is what was appended, up to at
// least what was committed.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support/log_rig.h"
#include "tests/support/temp_directory.h"

namespace tlog::flush {
namespace {

using testing::FaultStore;
using testing::LogRig;

void heal(LogRig& rig) {
  for (unsigned i = 0; i < 6; ++i) {
    rig.fault(i).set(FaultStore::Mode::kUp);
    rig.fault(i).fail_some_puts(0, 0);
  }
}

void random_fault(LogRig& rig, testing::SeededRandom& random) {
  const auto store = static_cast<unsigned>(random.next() % 6);
  switch (random.next() % 5) {
    case 0:
      return rig.fault(store).set(FaultStore::Mode::kDown);
    case 1:
      return rig.fault(store).set(FaultStore::Mode::kFull);
    case 2:
      return rig.fault(store).set(FaultStore::Mode::kHang);
    case 3:
      return rig.fault(store).fail_some_puts(30, random.next());
    default:
      return heal(rig);
  }
}

TEST(LogModel, random_outages_and_endings) {
  const std::uint64_t seed = system_random().next_u64();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  testing::SeededRandom random(seed);
  testing::TempDirectory directory;
  LogRig rig(
      {.hints_path = directory.file("hints"), .buffered_bytes_max = 64 * kKiB, .seed = seed});
  ASSERT_TRUE(rig.create());
  for (int life = 0; life < 12; ++life) {
    Status opened = rig.open_writer();
    ASSERT_TRUE(opened) << opened.error().message();
    for (int step = 0; step < 12; ++step) {
      random_fault(rig, random);
      for (auto more = random.next() % 12; more > 0; --more) {
        // At the bound the stores are healed: a writer must then go on by itself.
        if (!rig.writer().may_append()) {
          heal(rig);
          ASSERT_TRUE(rig.wait_until([&] { return rig.writer().may_append(); }));
        }
        rig.append(1, random.next() % 2 == 0);
      }
    }
    if (random.next() % 2 == 0) {
      heal(rig);
      if (random.next() % 2 == 0) {
        ASSERT_TRUE(rig.wait_committed(rig.model().size()));
      }
      rig.close_writer();
    } else {
      rig.crash_writer();
      heal(rig);
    }
    ASSERT_FALSE(::testing::Test::HasFailure());
  }
  ASSERT_TRUE(rig.open_writer());
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().missing_shards == 0; }));
  rig.close_writer();
  rig.expect_log_is_model();
}

}  // namespace
}  // namespace tlog::flush
