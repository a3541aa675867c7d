// Goal: a served vdisk is a disk, whatever the sizes and the order, before and after each clean
// restart; its log takes everything; what does not fit together is refused with the reason. Method:
// the whole engine over real files. Crashes and power loss: tests/fault and tests/crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/support/engine_rig.h"
#include "tests/support/temp_directory.h"

namespace tlog::session {
namespace {

using ::testing::HasSubstr;
using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::ShadowDisk;

class EngineTest : public ::testing::Test {
 protected:
  EngineRigOptions options() {
    EngineRigOptions options;
    options.directory = directory_.path();
    return options;
  }
  std::string path(const std::string& name) { return directory_.path() + "/" + name; }

  tlog::testing::TempDirectory directory_;
};

std::vector<std::byte> filled(std::size_t length, int value) {
  return std::vector<std::byte>(length, static_cast<std::byte>(value));
}

TEST_F(EngineTest, IsADiskAlsoAfterRestarts) {
  std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  ShadowDisk shadow(options().vdisk_size);
  for (int life = 0; life < 4; ++life) {
    EngineRig rig(options());
    rig.start();
    ASSERT_EQ(shadow.difference(rig.vdisk()), "") << "life " << life;
    for (int step = 0; step < 300; ++step) {
      ASSERT_TRUE(shadow.random_step(rig.vdisk(), random(), random() % 20 == 0));
      if (random() % 40 == 0) {
        ASSERT_TRUE(rig.vdisk().flush());
      }
      if (random() % 100 == 0) {
        ASSERT_EQ(shadow.difference(rig.vdisk()), "") << "life " << life << " step " << step;
      }
    }
    ASSERT_EQ(shadow.difference(rig.vdisk()), "");
    rig.stop();
  }
}

TEST_F(EngineTest, EverythingIsStoredAndAppliedAtAQuietMoment) {
  EngineRig rig(options());
  rig.start();
  ShadowDisk shadow(options().vdisk_size);
  for (std::uint64_t step = 0; step < 200; ++step)
    ASSERT_TRUE(shadow.random_step(rig.vdisk(), step));
  auto stored = rig.vdisk().flush_to_stores(20'000'000'000);
  ASSERT_TRUE(stored) << stored.error().message();
  // Stored means at the quorum; the last shards of the newest aggregation may still be on their
  // way.
  VdiskStatus status = rig.vdisk().status();
  for (int i = 0; i < 1000 && status.log.missing_shards != 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    status = rig.vdisk().status();
  }
  EXPECT_EQ(status.watermarks.appended, *stored);
  EXPECT_EQ(status.watermarks.durable, *stored);
  EXPECT_EQ(status.watermarks.stored, *stored);
  EXPECT_EQ(status.log.missing_shards, 0u);
  for (const auto& store : status.stores) EXPECT_GT(store.put_bytes, 0u) << store.name;
}

TEST_F(EngineTest, partial_aggregation_then_restart) {
  auto few = filled(4096, 1);
  {
    EngineRig rig(options());
    rig.start();
    for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(rig.vdisk().write(i * 4096, few, false));
    ASSERT_TRUE(rig.vdisk().flush());
    rig.stop();
  }
  EngineRigOptions cluster = options();
  cluster.durability =
      config::Durability::kCluster;  // the flush waits for the stores: the ancestor's hung here
  EngineRig rig(cluster);
  rig.start();
  for (std::uint64_t i = 10; i < 40; ++i) ASSERT_TRUE(rig.vdisk().write(i * 4096, few, false));
  ASSERT_TRUE(rig.vdisk().flush());
  VdiskStatus status = rig.vdisk().status();
  EXPECT_EQ(status.watermarks.appended, 40u);
  EXPECT_EQ(status.watermarks.stored, 40u);
}

TEST_F(EngineTest, discard_whole_disk_is_one_record) {
  EngineRigOptions large = options();
  large.vdisk_size = std::uint64_t{1} << 40;
  EngineRig rig(large);
  rig.start();
  auto data = filled(4096, 5);
  for (std::uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(rig.vdisk().write(i * kGiB, data, false));
  ASSERT_TRUE(rig.vdisk().discard(0, large.vdisk_size, false));
  EXPECT_EQ(rig.vdisk().status().watermarks.appended, 101u);
  std::vector<std::byte> got(4096);
  ASSERT_TRUE(rig.vdisk().read(7 * kGiB, got));
  EXPECT_EQ(got, filled(4096, 0));
  auto extents = rig.vdisk().extents(0, large.vdisk_size);
  ASSERT_TRUE(extents);
  EXPECT_EQ(extents->size(), 1u);
  EXPECT_TRUE(extents->front().hole);
}

TEST_F(EngineTest, zeroed_block_stays_zero) {
  auto ones = filled(8192, 1);
  {
    EngineRig rig(options());
    rig.start();
    ASSERT_TRUE(rig.vdisk().write(0, ones, true));
    ASSERT_TRUE(rig.vdisk().zero(0, 4096, false, false));
    ASSERT_TRUE(rig.vdisk().discard(4096, 4096, false));
    rig.stop();
  }
  EngineRig rig(options());
  rig.start();
  std::vector<std::byte> got(8192);
  ASSERT_TRUE(rig.vdisk().read(0, got));
  EXPECT_EQ(got, filled(8192, 0));
}

TEST_F(EngineTest, concurrent_subblock_writes) {
  EngineRig rig(options());
  rig.start();
  auto write_own_parts = [&](std::uint64_t part) {
    for (std::uint64_t block = 0; block < 400; ++block) {
      auto data = filled(512, static_cast<int>(part * 31 + block % 17));
      ASSERT_TRUE(rig.vdisk().write(block * 4096 + part * 512, data, false));
    }
  };
  std::vector<std::thread> writers;
  for (std::uint64_t part = 0; part < 8; ++part) writers.emplace_back(write_own_parts, part);
  for (auto& writer : writers) writer.join();
  auto check = [&] {
    std::vector<std::byte> got(4096);
    for (std::uint64_t block = 0; block < 400; ++block) {
      ASSERT_TRUE(rig.vdisk().read(block * 4096, got));
      for (std::uint64_t part = 0; part < 8; ++part) {
        ASSERT_EQ(static_cast<std::uint64_t>(got[part * 512 + 511]), (part * 31 + block % 17))
            << block << " " << part;
      }
    }
  };
  check();
  rig.stop();
  rig.start();
  check();
}

TEST_F(EngineTest, visible_order_is_replay_order) {
  ShadowDisk last_seen(kMiB);
  EngineRigOptions small = options();
  small.vdisk_size = kMiB;
  {
    EngineRig rig(small);
    rig.start();
    std::vector<std::thread> writers;
    for (int t = 0; t < 4; ++t) {
      writers.emplace_back([&, t] {
        std::mt19937_64 random(static_cast<std::uint64_t>(t));
        for (int i = 0; i < 500; ++i) {
          auto data = filled(1 + random() % 30000, static_cast<int>(random() % 256));
          std::uint64_t offset = random() % (kMiB - data.size());
          ASSERT_TRUE(rig.vdisk().write(offset, data, false));
        }
      });
    }
    for (auto& writer : writers) writer.join();
    ASSERT_TRUE(rig.vdisk().read(0, last_seen.bytes()));
    rig.stop();
  }
  EngineRig rig(small);
  rig.start();
  EXPECT_EQ(last_seen.difference(rig.vdisk()), "");
}

// Few large records fill the arena before they are flushSize: nobody may wait for more of them to
// come.
TEST_F(EngineTest, LargeRequestsThroughASmallArena) {
  EngineRigOptions small = options();
  small.arena_size = kMiB;
  EngineRig rig(small);
  rig.start();
  auto data = filled(4 * kMiB, 3);
  for (int i = 0; i < 8; ++i) {
    Status wrote = rig.vdisk().write(0, data, false);
    ASSERT_TRUE(wrote) << wrote.error().message();
  }
  std::vector<std::byte> got(data.size());
  ASSERT_TRUE(rig.vdisk().read(0, got));
  EXPECT_EQ(got, data);
}

TEST_F(EngineTest, second_opener_is_refused) {
  EngineRig first(options());
  first.start();
  EngineRig second(options());
  Status started = second.try_start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("another process serves vdisk 'vm1'"));
}

TEST_F(EngineTest, BeyondTheEndIsRefused) {
  EngineRig rig(options());
  rig.start();
  auto data = filled(4096, 1);
  Status wrote = rig.vdisk().write(options().vdisk_size - 100, data, false);
  ASSERT_FALSE(wrote);
  EXPECT_EQ(wrote.error().code(), Code::kInvalidArgument);
  EXPECT_FALSE(rig.vdisk().read(~std::uint64_t{0}, data));
  EXPECT_FALSE(rig.vdisk().discard(1, options().vdisk_size, false));
}

TEST_F(EngineTest, AMarkHasTheSequenceOfItsRecord) {
  EngineRig rig(options());
  rig.start();
  auto data = filled(100, 1);
  ASSERT_TRUE(rig.vdisk().write(0, data, false));
  auto marked = rig.vdisk().mark("before upgrade");
  ASSERT_TRUE(marked) << marked.error().message();
  EXPECT_EQ(*marked, 2u);
  EXPECT_FALSE(rig.vdisk().mark(""));
  EXPECT_FALSE(rig.vdisk().mark(std::string(2000, 'x')));
}

// The rows of the table in session/opening.h.
class OpeningTest : public EngineTest {
 protected:
  void serve_once() {
    EngineRig rig(options());
    rig.start();
    auto data = filled(4096, 9);
    for (std::uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(rig.vdisk().write(i * 4096, data, false));
    rig.stop();
  }
  std::string refusal() {
    EngineRig rig(options());
    Status started = rig.try_start();
    return started ? "" : started.error().message();
  }
};

TEST_F(OpeningTest, WithoutItsMetadataIsRefused) {
  serve_once();
  std::filesystem::remove_all(path("log"));
  EXPECT_THAT(refusal(), HasSubstr("have no metadata of it"));
}

TEST_F(OpeningTest, WithoutItsJournalIsRefused) {
  serve_once();
  std::filesystem::remove_all(path("journal"));
  EXPECT_THAT(refusal(), HasSubstr("acknowledged writes may be in it"));
}

TEST_F(OpeningTest, WithoutItsBlocksIsRefused) {
  serve_once();
  std::filesystem::remove_all(path("blocks"));
  EXPECT_THAT(refusal(), HasSubstr("tlogplay restore"));
}

TEST_F(OpeningTest, AnOldCopyOfTheJournalIsRefused) {
  serve_once();
  std::filesystem::copy(path("journal"), path("old"), std::filesystem::copy_options::recursive);
  serve_once();
  std::filesystem::remove_all(path("journal"));
  std::filesystem::rename(path("old"), path("journal"));
  EXPECT_THAT(refusal(), HasSubstr("the journal is an old copy"));
}

TEST_F(OpeningTest, AnOldCopyOfTheStoresIsRefused) {
  serve_once();
  std::filesystem::copy(path("log"), path("old"), std::filesystem::copy_options::recursive);
  serve_once();
  std::filesystem::remove_all(path("log"));
  std::filesystem::rename(path("old"), path("log"));
  EXPECT_THAT(refusal(), HasSubstr("is missing from the stores"));
}

TEST_F(OpeningTest, AnotherKeyIsRefused) {
  serve_once();
  std::filesystem::remove(path("key"));
  EXPECT_THAT(refusal(), HasSubstr("key"));
}

}  // namespace
}  // namespace tlog::session
