// Goal: a host lets go of its journal what its tlogserver has stored, and nothing else: whenever
// the host loses its power at such a release, and the server dies with it, every flushed write is
// found again. Method: a whole engine on a disk that forgets what was not synced; stores behind the
// server that let so many puts through and hold the others, so that what is stored does not grow
// any more; and the journal's superblock, which says what was let go, failing just before it is
// written, just before it is synced, and behind that.
#include <gtest/gtest.h>

#include "server/client/remote_log.h"
#include "tests/fault/server/server_rig.h"
#include "tests/support/engine_rig.h"
#include "tests/support/fault_files.h"
#include "tests/support/forgetful_files.h"
#include "tests/support/gated_store.h"
#include "tests/support/stamped_writer.h"
#include "tlog/store/stores.h"

namespace tlog::testing {
namespace {

constexpr std::uint64_t kBlocks = 256;

class HostKill : public ::testing::Test {
 protected:
  HostKill() {
    server.make_store = [this](const std::string& vdisk, unsigned index, io::Loop& loop) {
      return std::make_unique<GatedStore>(
          store::make_memory_store("memory " + std::to_string(index), loop,
                                   server.contents(vdisk).stores[index]),
          gate, loop);
    };
    server.start();
    EXPECT_TRUE(server.key().save(files, directory.path() + "/key"));
  }
  EngineRigOptions options() const {
    EngineRigOptions options;
    options.directory = directory.path();
    options.vdisk_size = kBlocks * 4096;
    options.journal_size = 4 * kMiB;
    options.arena_size = kMiB;
    options.stall_timeout_ns = 1'000'000'000;
    options.log_servers = {server.address()};
    options.open_remote_log = client::open_remote_log;
    return options;
  }
  // `nth`: the write or sync of the superblock at which the power fails; 0: none, but when there is
  // no room any more. How many of them there were.
  std::uint64_t write_and_kill(unsigned let_through, unsigned nth) {
    EngineRig rig(options(), faults);
    const Status started = rig.try_start();
    EXPECT_TRUE(started) << started.error().message();
    if (!started) return 0;
    EXPECT_EQ(writer.check(rig.vdisk(), false), "");
    EXPECT_TRUE(rig.vdisk().flush_to_stores(20'000'000'000));
    gate.hold(Gate::Holds::kPuts, let_through);
    faults.inject({.operations = kWriteFile | kSyncFile,
                   .nth = nth == 0 ? ~std::uint64_t{0} : nth,
                   .sticky = true,
                   .path_contains = "superblock"});
    EXPECT_FALSE(writer.run(rig.vdisk(), 1'000'000));
    const std::uint64_t count = faults.count();
    files.power_off(nth + 10 * let_through, PowerCut::kDropAll);
    server.kill();
    rig.stop(0);
    faults.clear();
    files.power_on();
    gate.hold(Gate::Holds::kNothing, 0);
    server.start();
    return count;
  }

  Gate gate{"vm1"};
  ServerRig server;
  TempDirectory directory;
  ForgetfulFiles files{directory.path()};
  FaultFiles faults{files};
  StampedWriter writer{kBlocks, 4711};
};

TEST_F(HostKill, AtEachReleaseOfTheJournalEveryFlushedWriteIsFoundAgain) {
  struct Moment {
    unsigned let_through;
    unsigned nth;
  };
  constexpr Moment kMoments[] = {{0, 0}, {5, 0},  {6, 1},  {5, 2},  {29, 3},
                                 {6, 4}, {29, 5}, {90, 6}, {90, 7}, {90, 0}};
  std::uint64_t releases = 0;
  for (const Moment& moment : kMoments) {
    SCOPED_TRACE(::testing::Message()
                 << "behind " << moment.let_through << " puts, superblock " << moment.nth);
    releases += write_and_kill(moment.let_through, moment.nth);
    if (HasFailure()) return;
  }
  EXPECT_GT(releases, 20U) << "writes and syncs";
  EngineRig rig(options(), faults);
  rig.start();
  EXPECT_EQ(writer.check(rig.vdisk(), false), "");
  rig.stop();
  server.kill();
  const std::vector<SentRecord> stored = server.read_stores("vm1");
  EXPECT_GE(stored.size(), 1000U);
  for (std::size_t i = 0; i < stored.size(); ++i) ASSERT_EQ(stored[i].sequence, i + 1);
}

}  // namespace
}  // namespace tlog::testing
