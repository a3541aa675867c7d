// tlogdisk under power cuts. Goal: with its journal, log and blocks on a file system that loses
// what was not synced, and its arena gone with the memory, nothing flushed is lost, what survives
// is a prefix, and the log restores to the same bytes. Method: as power_test.cc.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/crash/forgetful/power_stack.h"
#include "tests/crash/process.h"
#include "tests/crash/rig.h"
#include "tests/crash/tlogdisk_disk.h"
#include "tests/support/temp_directory.h"

namespace tlog::crash {
namespace {

constexpr std::uint64_t kDiskBytes = 512 * kMiB;

// Memory that is lost with the power: a directory on tmpfs that the cut empties.
class Arena {
 public:
  Arena() {
    std::string name = "/dev/shm/tlog-power-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory in /dev/shm");
    path_ = name;
  }
  ~Arena() { std::filesystem::remove_all(path_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  const std::string& path() const { return path_; }
  void lose() const {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
  }

 private:
  std::string path_;
};

class PowerLoss : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string missing = LoopMount::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    ASSERT_NE(std::getenv("FORGETFUL_PLUGIN"), nullptr) << "run by ctest, or set FORGETFUL_PLUGIN";
  }

  void run_rounds(const Promises& promises, unsigned connections, unsigned rounds) {
    const std::uint64_t seed = crash_seed();
    SCOPED_TRACE(fmt::format("again: TLOG_CRASH_SEED={}", seed));
    const ScratchDirectory scratch("power");
    const Arena arena;
    PowerStack power(scratch.path(), std::getenv("FORGETFUL_PLUGIN"), GetParam());
    const Status created = power.create(kDiskBytes);
    ASSERT_TRUE(created) << created.error().message();

    const testing::Site site = make_site(power.mount(), arena.path());
    RigOptions options;
    options.server = tlogdisk_server(site);
    options.promises = promises;
    options.connections = connections;
    options.run_ms_max = 500;
    options.seed = seed;
    options.restore_command = tlogdisk_restore_command(site);
    options.restore_every = 3;
    std::uint64_t cuts = 0;
    options.power = {.cut = [&] { power.cut(); },
                     .restore =
                         [&] {
                           arena.lose();
                           return power.up(seed + ++cuts);
                         },
                     .failing_disk_tells = true};
    Rig rig(options);
    const Status begun = rig.begin();
    ASSERT_TRUE(begun) << begun.error().message();
    for (unsigned i = 0; i < rounds; ++i) {
      const auto report = rig.round();
      ASSERT_TRUE(report) << "cut " << i << ": " << report.error().message();
      ASSERT_TRUE(report->violations.empty()) << "cut " << i << ":\n"
                                              << violations_text(report->violations);
    }
    (void)rig.server().kill();  // before its file system goes
  }

  // Key and configuration are the administrator's; everything tlogdisk keeps is under `mount`.
  static testing::Site make_site(const std::string& mount, const std::string& arena) {
    testing::SiteOptions options = crash_site_options();
    options.clusters = "  local:\n    directories:\n";
    for (int i = 0; i < 6; ++i) options.clusters += fmt::format("      - {}/log/{}\n", mount, i);
    options.journal_directory = mount + "/journal";
    options.arena_directory = arena;
    options.blocks_directory = mount + "/blocks";
    return testing::Site(options);
  }
};

TEST_P(PowerLoss, NothingFlushedIsLostAndThePrefixIsKept) {
  run_rounds({.prefix = true, .atomic = true, .trim_zeroes = true}, 1, crash_rounds(6));
}

// Only what NBD promises: it is the flush that must cover the other connections' writes.
TEST_P(PowerLoss, flush_covers_other_connections) {
  run_rounds({.trim_zeroes = true}, 4, crash_rounds(3));
}

INSTANTIATE_TEST_SUITE_P(Landing, PowerLoss, ::testing::Values("none", "random", "tear"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace tlog::crash
