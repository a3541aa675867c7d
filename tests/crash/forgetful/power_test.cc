// Power cuts under a real file system. Goal: what was flushed is there, the rest is lost only from
// its end. Method: the server's files live on ext4 on the forgetful disk; the disk is killed first,
// then the server; the crash checker judges what comes back. The rig is checked too: a server that
// answers flushes without syncing must fail.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/crash/forgetful/power_stack.h"
#include "tests/crash/process.h"
#include "tests/crash/rig.h"

namespace tlog::crash {
namespace {

constexpr std::uint64_t kDiskBytes = 256 * kMiB;
constexpr std::uint64_t kExportBytes = 4 * kMiB;

class PowerLoss : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string missing = LoopMount::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    ASSERT_NE(std::getenv("FORGETFUL_PLUGIN"), nullptr) << "run by ctest, or set FORGETFUL_PLUGIN";
  }

  // Cuts the power until something is wrong or the rounds are over.
  void run_rounds(const std::string& landing, const std::string& command, unsigned rounds) {
    const std::uint64_t seed = std::random_device()();
    SCOPED_TRACE(fmt::format("seed {}", seed));
    const ScratchDirectory scratch("power");
    PowerStack power(scratch.path(), std::getenv("FORGETFUL_PLUGIN"), landing);
    const Status created = power.create(kDiskBytes);
    ASSERT_TRUE(created) << created.error().message();
    const std::string image = power.mount() + "/disk.img";
    std::ofstream(image) << std::string(kExportBytes, '\0');
    sync();

    RigOptions options;
    options.server.command = expand(command, {{"image", image}});
    options.server.directory = scratch.path() + "/server";
    std::filesystem::create_directory(options.server.directory);
    options.promises = {
        .trim_zeroes = true, .zeroing_escapes_flush = true, .torn_reads_beside_writes = true};
    options.connections = 4;
    options.run_ms_max = 400;
    options.interrupt_percent = 0;
    options.seed = seed;
    std::uint64_t cuts = 0;
    options.power = {.cut = [&] { power.cut(); },
                     .restore = [&] { return power.up(seed + ++cuts); }};
    Rig rig(options);
    const Status begun = rig.begin();
    ASSERT_TRUE(begun) << begun.error().message();
    for (unsigned i = 0; i < rounds && violations.empty(); ++i) {
      const auto report = rig.round();
      ASSERT_TRUE(report) << report.error().message();
      violations = violations_text(report->violations);
      answered += report->answered;
    }
    (void)rig.server().kill();  // before its file system goes
  }

  std::string violations;
  std::uint64_t answered = 0;
};

constexpr const char* kQemu =
    "qemu-nbd -t -e 8 -f raw --discard=unmap --detect-zeroes=off -k {socket} ";

TEST_F(PowerLoss, ServerThatSyncsPasses) {
  run_rounds("random", "nbdkit -f -U {socket} file {image}", 3);
  EXPECT_EQ(violations, "");
  EXPECT_GT(answered, 20U);
}

TEST_F(PowerLoss, TornSectorsAreNoFaultOfTheServer) {
  run_rounds("tear", "nbdkit -f -U {socket} file {image}", 3);
  EXPECT_EQ(violations, "");
}

// The first of the superblock's two sectors is newer than the second, which has the checksum.
TEST_F(PowerLoss, TornSuperblockIsMendedWithWhatTheJournalHas) {
  const ScratchDirectory scratch("power");
  PowerStack power(scratch.path(), std::getenv("FORGETFUL_PLUGIN"), "none");
  const Status created = power.create(kDiskBytes);
  ASSERT_TRUE(created) << created.error().message();
  std::ofstream(power.mount() + "/flushed") << "still here";
  sync();
  power.cut();
  constexpr std::streamoff kMountCount = 1024 + 0x34;
  std::fstream image(power.image(), std::ios::in | std::ios::out | std::ios::binary);
  image.seekp(kMountCount).put('\x7f');
  image.close();
  const Status back = power.up(2);
  ASSERT_TRUE(back) << back.error().message();
  std::string text;
  std::getline(std::ifstream(power.mount() + "/flushed"), text);
  EXPECT_EQ(text, "still here");
}

TEST_F(PowerLoss, DirectServerPasses) {
  run_rounds("none", std::string(kQemu) + "--cache=none {image}", 2);
  EXPECT_EQ(violations, "");
}

TEST_F(PowerLoss, ServerThatDoesNotSyncIsSeen) {
  run_rounds("none", std::string(kQemu) + "--cache=unsafe {image}", 6);
  EXPECT_NE(violations.find("LOST"), std::string::npos) << "the rig cannot see a missing sync";
}

}  // namespace
}  // namespace tlog::crash
