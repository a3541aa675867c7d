// The test doubles themselves: what fails on demand must fail, what forgets must be seen to forget.
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>

#include "tests/support/fault_files.h"
#include "tests/support/forgetful_files.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_directory.h"
#include "tlog/base/buffer.h"
#include "tlog/io/loop.h"

namespace tlog::testing {
namespace {

using io::OpenOptions;

constexpr OpenOptions kCreate{.write = true, .create = true};

std::string contents(io::FileSystem& files, const std::string& path) {
  auto text = io::read_file(files, path, 100 * kMiB);
  return text ? *text : "(" + std::string(code_name(text.error().code())) + ")";
}

class FaultFilesTest : public ::testing::Test {
 protected:
  TempDirectory directory_;
  FaultFiles files_{io::system_files()};
};

TEST_F(FaultFilesTest, TheNthOperationFailsOnce) {
  auto file = files_.open(directory_.file("a"), kCreate);
  files_.inject({.operations = kWriteFile | kSyncFile, .nth = 3, .error_number = ENOSPC});
  EXPECT_TRUE((*file)->write(0, bytes_of("1")));
  EXPECT_TRUE((*file)->sync_data());
  EXPECT_EQ(*(*file)->size(), 1u);  // not counted
  EXPECT_FALSE(files_.fired());
  Status failed = (*file)->write(0, bytes_of("2"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kNoSpace);
  EXPECT_TRUE((*file)->write(1, bytes_of("3")));
  EXPECT_EQ(files_.count(), 4u);
  EXPECT_EQ(files_.failures(), std::vector<std::string>{"write " + directory_.file("a")});
  EXPECT_EQ(contents(io::system_files(), directory_.file("a")), "13");
}

TEST_F(FaultFilesTest, AStickyFaultStays) {
  files_.inject({.operations = kOpenFile, .nth = 2, .sticky = true});
  EXPECT_TRUE(files_.open(directory_.file("a"), kCreate));
  EXPECT_FALSE(files_.open(directory_.file("a"), kCreate));
  EXPECT_FALSE(files_.open(directory_.file("a"), kCreate));
  files_.clear();
  EXPECT_TRUE(files_.open(directory_.file("a"), kCreate));
}

TEST_F(FaultFilesTest, EveryOperationOfAFileSystemCanFail) {
  std::string path = directory_.file("a");
  auto file = std::move(*files_.open(path, kCreate));
  Buffer into(1);
  ConstByteSpan byte = bytes_of("x");
  std::vector<std::pair<unsigned, std::function<bool()>>> operations = {
      {kOpenFile, [&] { return files_.open(path, {}).has_value(); }},
      {kReadFile, [&] { return file->read(0, into.span()).has_value(); }},
      {kWriteFile, [&] { return file->write(0, byte).has_value(); }},
      {kSyncFile, [&] { return file->sync_data().has_value(); }},
      {kResizeFile, [&] { return file->resize(0).has_value(); }},
      {kPreallocateFile, [&] { return file->preallocate(0, 1).has_value(); }},
      {kPunchFile, [&] { return file->punch_hole(0, 1).has_value(); }},
      {kLockFile, [&] { return file->try_lock().has_value(); }},
      {kAttributeFile, [&] { return file->attribute("a").has_value(); }},
      {kInspectFile, [&] { return file->size().has_value(); }},
      {kMakeDirectories, [&] { return files_.make_directories(directory_.path()).has_value(); }},
      {kSyncDirectory, [&] { return files_.sync_directory(directory_.path()).has_value(); }},
      {kListDirectory, [&] { return files_.list(directory_.path()).has_value(); }},
      {kRemoveFile, [&] { return files_.remove(path).has_value(); }},
      {kRenameFile, [&] { return files_.rename(path, path + "2").has_value(); }},
      {kMapRing, [&] { return files_.map_ring(path + "3", 4096).has_value(); }},
  };
  unsigned all = 0;
  for (auto& [kind, run] : operations) {
    files_.inject({.operations = kind});
    EXPECT_FALSE(run()) << kind;
    EXPECT_TRUE(files_.fired()) << kind;
    EXPECT_EQ(files_.count(), 1u) << kind;
    all |= kind;
  }
  EXPECT_EQ(all, unsigned{kEveryFileOperation});
}

TEST_F(FaultFilesTest, ALoopUsesItsFiles) {
  for (io::IoMode mode : {io::IoMode::kAuto, io::IoMode::kPosix}) {
    auto loop = std::move(*io::make_loop({.mode = mode}, null_logger()));
    ASSERT_TRUE(loop->start());
    auto file = std::move(*files_.open(directory_.file("a"), kCreate));
    EXPECT_EQ(file->descriptor(), -1);
    files_.inject({.operations = kSyncFile});
    std::promise<Status> answer;
    ConstByteSpan byte = bytes_of("x");
    loop->post([&] {
      loop->write_and_sync(*file, 0, std::span(&byte, 1),
                           [&](Status status) { answer.set_value(status); });
    });
    EXPECT_FALSE(answer.get_future().get());
    EXPECT_TRUE(files_.fired());
    loop->stop();
  }
}

class ForgetfulFilesTest : public ::testing::Test {
 protected:
  // A durable file of `text`.
  std::unique_ptr<io::File> durable(const std::string& name, std::string_view text) {
    auto file = std::move(*files_.open(path(name), kCreate));
    EXPECT_TRUE(file->write(0, bytes_of(text)));
    EXPECT_TRUE(file->sync_data());
    EXPECT_TRUE(files_.sync_directory(directory_.path()));
    return file;
  }
  std::string path(const std::string& name) const { return directory_.file(name); }
  std::string text(const std::string& name) { return contents(files_, path(name)); }

  TempDirectory directory_;
  ForgetfulFiles files_{directory_.path()};
};

TEST_F(ForgetfulFilesTest, UnsyncedBytesAreSeenAndThenForgotten) {
  auto file = durable("a", "old old old");
  ASSERT_TRUE(file->write(4, bytes_of("new and longer")));
  EXPECT_EQ(text("a"), "old new and longer");
  EXPECT_EQ(files_.unsynced_bytes(), 512u);
  files_.power_cut(1, PowerCut::kDropAll);
  EXPECT_EQ(text("a"), "old old old");
  EXPECT_EQ(files_.unsynced_bytes(), 0u);
}

TEST_F(ForgetfulFilesTest, SyncedBytesSurviveEveryKindOfCut) {
  for (PowerCut mode : {PowerCut::kDropAll, PowerCut::kDropBlocks, PowerCut::kTearSectors}) {
    std::string synced = "synced " + std::to_string(static_cast<int>(mode));
    durable("a", synced);
    files_.power_cut(7, mode);
    EXPECT_EQ(text("a"), synced);
  }
}

TEST_F(ForgetfulFilesTest, ShrinkingAndHolesAreUndone) {
  std::string old(20'000, 'o');
  auto file = durable("a", old);
  ASSERT_TRUE(file->resize(100));
  ASSERT_TRUE(file->write(5000, bytes_of("x")));
  auto hole = durable("b", old);
  Status punched = hole->punch_hole(4096, 4096);
  files_.power_cut(1, PowerCut::kDropAll);
  EXPECT_TRUE(text("a") == old);
  if (punched) {
    EXPECT_TRUE(text("b") == old);
  }
}

TEST_F(ForgetfulFilesTest, RandomCutsTakeSomeBlocksAndLeaveOthersWhole) {
  constexpr std::size_t kBlocks = 64;
  bool tore = false;
  for (PowerCut mode : {PowerCut::kDropBlocks, PowerCut::kTearSectors}) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      std::string name = "f" + std::to_string(seed);
      auto file = durable(name, std::string(kBlocks * 4096, 'o'));
      ASSERT_TRUE(file->write(0, bytes_of(std::string_view(std::string(kBlocks * 4096, 'n')))));
      files_.power_cut(seed, mode);
      std::string after = text(name);
      ASSERT_EQ(after.size(), kBlocks * 4096) << "seed " << seed;
      std::size_t kept = 0;
      for (std::size_t block = 0; block < kBlocks; ++block) {
        std::string bytes = after.substr(block * 4096, 4096);
        bool whole = bytes == std::string(4096, 'o') || bytes == std::string(4096, 'n');
        EXPECT_TRUE(whole || mode == PowerCut::kTearSectors) << "seed " << seed;
        tore = tore || !whole;
        kept += bytes[0] == 'n' ? 1 : 0;
      }
      EXPECT_GT(kept, 0u) << "seed " << seed;
      EXPECT_LT(kept, kBlocks) << "seed " << seed;
      outcomes.insert(after);
    }
    EXPECT_GT(outcomes.size(), 1u);
  }
  EXPECT_TRUE(tore);
}

TEST_F(ForgetfulFilesTest, ASeedReplaysTheSameCut) {
  std::string first;
  for (int round = 0; round < 2; ++round) {
    TempDirectory directory;
    ForgetfulFiles files(directory.path());
    auto file = std::move(*files.open(directory.file("a"), kCreate));
    ASSERT_TRUE(files.sync_directory(directory.path()));
    ASSERT_TRUE(file->write(0, bytes_of(std::string_view(std::string(100'000, 'n')))));
    files.power_cut(42, PowerCut::kTearSectors);
    std::string after = contents(files, directory.file("a"));
    if (round == 0) first = after;
    EXPECT_TRUE(after == first);
  }
}

TEST_F(ForgetfulFilesTest, ANewFileVanishesUnlessItsDirectoryWasSynced) {
  auto lost = std::move(*files_.open(path("lost"), kCreate));
  ASSERT_TRUE(lost->write(0, bytes_of("x")));
  ASSERT_TRUE(lost->sync_data());
  files_.power_cut(1, PowerCut::kDropAll);
  EXPECT_FALSE(*files_.exists(path("lost")));

  durable("kept", "x");
  files_.power_cut(1, PowerCut::kDropAll);
  EXPECT_EQ(text("kept"), "x");
}

TEST_F(ForgetfulFilesTest, RenamesAndRemovalsAreUndone) {
  durable("a", "aaa");
  durable("b", "bbb");
  durable("c", "ccc");
  ASSERT_TRUE(files_.rename(path("a"), path("b")));
  ASSERT_TRUE(files_.remove(path("c")));
  EXPECT_EQ(text("b"), "aaa");
  EXPECT_FALSE(*files_.exists(path("c")));
  files_.power_cut(1, PowerCut::kDropAll);
  EXPECT_EQ(text("a"), "aaa");
  EXPECT_EQ(text("b"), "bbb");
  EXPECT_EQ(text("c"), "ccc");

  ASSERT_TRUE(files_.rename(path("a"), path("b")));
  ASSERT_TRUE(files_.remove(path("c")));
  ASSERT_TRUE(files_.sync_directory(directory_.path()));
  files_.power_cut(1, PowerCut::kDropAll);
  EXPECT_FALSE(*files_.exists(path("a")));
  EXPECT_EQ(text("b"), "aaa");
  EXPECT_FALSE(*files_.exists(path("c")));
}

TEST_F(ForgetfulFilesTest, ARenameWithoutASyncOfTheDataLeavesAnEmptyFile) {
  // The classic mistake that write_file_atomically() does not make.
  durable("a", "old");
  auto file = std::move(*files_.open(path("a.tmp"), kCreate));
  ASSERT_TRUE(file->write(0, bytes_of("new")));
  ASSERT_TRUE(files_.rename(path("a.tmp"), path("a")));
  ASSERT_TRUE(files_.sync_directory(directory_.path()));
  files_.power_cut(1, PowerCut::kDropAll);
  EXPECT_EQ(text("a"), "");
}

TEST_F(ForgetfulFilesTest, AnAtomicWriteIsAllOrNothing) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    auto mode = static_cast<PowerCut>(seed % 3);
    std::string next = "version " + std::to_string(seed) + std::string(seed * 300, '.');
    ASSERT_TRUE(io::write_file_atomically(files_, path("a"), bytes_of(std::string_view(next))));
    files_.power_cut(seed, mode);
    EXPECT_EQ(text("a"), next) << "seed " << seed;
  }
}

TEST_F(ForgetfulFilesTest, OffMeansOffAndOldFilesStayDead) {
  auto file = durable("a", "x");
  ASSERT_TRUE(file->try_lock());
  std::string boot = files_.boot_id();
  files_.power_off(1, PowerCut::kDropAll);
  EXPECT_FALSE(file->sync_data());
  EXPECT_FALSE(files_.open(path("a"), {}));
  EXPECT_FALSE(files_.exists(path("a")));
  files_.power_on();
  EXPECT_NE(files_.boot_id(), boot);
  EXPECT_FALSE(file->write(0, bytes_of("y")));
  auto again = files_.open(path("a"), {.write = true});
  ASSERT_TRUE(again);
  EXPECT_TRUE((*again)->try_lock());  // the lock of the dead machine is gone
}

TEST_F(ForgetfulFilesTest, RingsAreMemory) {
  {
    auto ring = files_.map_ring(path("ring"), 8192);
    ASSERT_TRUE(ring);
    (*ring)->data()[0] = std::byte{1};
  }
  EXPECT_EQ((*files_.map_ring(path("ring"), 8192))->data()[0], std::byte{1});
  files_.power_cut(1, PowerCut::kDropAll);
  EXPECT_FALSE(*files_.exists(path("ring")));
  EXPECT_EQ((*files_.map_ring(path("ring"), 8192))->data()[0], std::byte{0});
}

TEST_F(ForgetfulFilesTest, ACutAmongWritersLeavesASyncedPrefix) {
  // Each thread writes its counter, syncs, and only then says so.
  constexpr std::size_t kThreads = 4;
  std::array<std::atomic<std::uint64_t>, kThreads> said{};
  for (std::size_t t = 0; t < kThreads; ++t) durable("t" + std::to_string(t), std::string(8, '\0'));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto file = std::move(*files_.open(path("t" + std::to_string(t)), {.write = true}));
      for (std::uint64_t n = 1;; ++n) {
        if (!file->write(0, bytes_of(n)) || !file->sync_data()) return;
        said[t] = n;
      }
    });
  }
  ASSERT_TRUE(wait_until([&] { return said[0] > 50 && said[3] > 50; }, Milliseconds(20'000)));
  files_.power_off(9, PowerCut::kTearSectors);
  for (auto& thread : threads) thread.join();
  files_.power_on();
  for (std::size_t t = 0; t < kThreads; ++t) {
    std::string bytes = text("t" + std::to_string(t));
    std::uint64_t found = 0;
    ASSERT_EQ(bytes.size(), sizeof found);
    std::memcpy(&found, bytes.data(), sizeof found);
    EXPECT_GE(found, said[t]);
    EXPECT_LE(found, said[t] + 1);
  }
}

TEST(RedisServerTest, StartsAnswersStopsAndComesBack) {
  if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
  for (bool unix_socket : {false, true}) {
    RedisServer server({.unix_socket = unix_socket,
                        .arguments = {"--appendonly", "yes", "--appendfsync", "always"}});
    EXPECT_EQ(server.command({"SET", "key", "value"}), "OK");
    EXPECT_EQ(server.command({"CONFIG", "GET", "appendonly"}), "appendonly yes");
    server.restart();
    EXPECT_EQ(server.command({"GET", "key"}), "value");
    server.kill();
    EXPECT_FALSE(server.running());
    EXPECT_THROW(server.command({"PING"}), std::runtime_error);
  }
}

TEST(RedisServerTest, AFleetHasServersOfTheirOwn) {
  if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
  RedisFleet fleet(3, {.password = "secret"});
  auto addresses = fleet.addresses();
  EXPECT_EQ(std::set<std::string>(addresses.begin(), addresses.end()).size(), 3u);
  EXPECT_EQ(fleet[0].command({"SET", "a", "1"}), "OK");
  EXPECT_EQ(fleet[1].command({"GET", "a"}), "(nil)");
}

}  // namespace
}  // namespace tlog::testing
