// Goal: blocks on a cluster are a disk, whatever the alignment, with and without a cache, across
// re-opening; zeros take no room; what does not fit is refused and not misread. Method: real
// redis-servers against an array.
#include <thread>

#include "tests/unit/blocks/cluster_fixture.h"

namespace tlog::blocks {
namespace {

using ::testing::HasSubstr;

class ClusterStorage : public ClusterTest {
 protected:
  void be_a_disk();
};

void ClusterStorage::be_a_disk() {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<std::byte> model(kVdiskSize);
  create().reset();
  Sequence sequence = 0;
  for (Epoch epoch = 2; epoch < 6; ++epoch) {
    ClusterStorageOptions how = options(epoch, sequence);
    how.cache_bytes = epoch % 2 == 0 ? 256 * kKiB : 0;
    auto storage = open(how);
    auto same = [&](std::uint64_t offset, std::uint64_t length) {
      auto got = read(*storage, offset, length);
      ASSERT_TRUE(got) << got.error().message();
      const auto want = std::span(model).subspan(offset, length);
      ASSERT_TRUE(std::equal(want.begin(), want.end(), got->begin()))
          << "epoch " << epoch << ", " << length << " bytes at " << offset;
    };
    same(0, kVdiskSize);
    for (int step = 0; step < 150; ++step) {
      std::uint64_t offset = random() % kVdiskSize;
      std::uint64_t length = 1 + random() % std::min<std::uint64_t>(kVdiskSize - offset, 100'000);
      auto range = std::span(model).subspan(offset, length);
      if (random() % 4 == 0) {
        std::fill(range.begin(), range.end(), std::byte{0});
        ASSERT_TRUE(storage->zero(offset, length));
        Status done = storage->settle(++sequence);
        ASSERT_TRUE(done) << done.error().message();
      } else {
        for (std::byte& byte : range) byte = static_cast<std::byte>(random());
        Status done = write(*storage, offset, range, ++sequence);
        ASSERT_TRUE(done) << done.error().message();
      }
      offset = random() % kVdiskSize;
      same(offset, 1 + random() % std::min<std::uint64_t>(kVdiskSize - offset, 50'000));
    }
    same(0, kVdiskSize);
    Status flushed = storage->flush();
    ASSERT_TRUE(flushed) << flushed.error().message();
  }
}

TEST_F(ClusterStorage, is_a_disk_also_after_reopening) {
  start_fleet();
  be_a_disk();
}

TEST_F(ClusterStorage, is_a_disk_on_ardb) {
  start_doubles();
  be_a_disk();
}

TEST_F(ClusterStorage, zeros_take_no_room_and_zeroed_block_stays_zero) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 0), 1));
  EXPECT_EQ((*fleet_)[0].command({"HLEN", key()}), "4") << "more than the record";
  ASSERT_TRUE(write(*storage, 0, filled(6 * kBlock, 7), 2));
  EXPECT_EQ((*fleet_)[0].command({"HLEN", key()}), "6");
  EXPECT_EQ((*fleet_)[1].command({"HSTRLEN", key(), "4"}), "4096");
  ASSERT_TRUE(storage->discard(0, 3 * kBlock));
  ASSERT_TRUE(storage->zero(3 * kBlock, 3 * kBlock));
  ASSERT_TRUE(storage->settle(3));
  EXPECT_EQ((*fleet_)[0].command({"HLEN", key()}), "4");
  ASSERT_TRUE(storage->flush());
  storage = open(options(2, 3));
  auto got = read(*storage, 0, 6 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(6 * kBlock, 0));
}

TEST_F(ClusterStorage, a_changed_server_list_is_refused) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(64 * kBlock, 7), 1));
  ASSERT_TRUE(storage->flush());
  storage.reset();
  auto refused = [&](const ClusterStorageOptions& changed) -> std::string {
    auto opened = try_open(changed);
    EXPECT_FALSE(opened);
    if (opened) return "";
    EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
    return opened.error().message();
  };
  ClusterStorageOptions swapped = options(2, 1);
  std::swap(swapped.servers[0], swapped.servers[1]);
  EXPECT_THAT(refused(swapped),
              HasSubstr("part 1 of 3 (counted from 0), the configuration makes it "
                        "part 0 of 3"));
  ClusterStorageOptions fewer = options(2, 1);
  fewer.servers.pop_back();
  EXPECT_THAT(refused(fewer), HasSubstr("the configuration makes it part 0 of 2"));
  testing::RedisServer another;
  ClusterStorageOptions more = options(2, 1);
  more.servers.push_back(more.servers[0]);
  more.servers[3].address = another.address();
  EXPECT_THAT(refused(more), HasSubstr("the configuration makes it part 0 of 4"));
  ClusterStorageOptions larger = options(2, 1);
  larger.block_size = 8192;
  EXPECT_THAT(refused(larger), HasSubstr("block size 4096, expected"));
  // And as it was, it still is.
  storage = open(options(3, 1));
  auto got = read(*storage, 0, 64 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(64 * kBlock, 7));
}

// Releasing flushes while applying gathers.
TEST_F(ClusterStorage, a_flush_beside_a_batch_that_is_gathered_is_of_what_was_settled) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(kBlock, 1), 1));
  const auto bytes = filled(kBlock, 2);
  const ConstByteSpan pieces[] = {bytes};
  ASSERT_TRUE(storage->write(0, pieces));
  ASSERT_TRUE(storage->flush());
  EXPECT_EQ((*fleet_)[0].command({"HGET", key(), "applied"}), "1 1");
  EXPECT_EQ((*fleet_)[2].command({"HGET", key(), "applied"}), "1 1");
  auto got = read(*storage, 0, kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(kBlock, 1));
  ASSERT_TRUE(storage->settle(2));
  got = read(*storage, 0, kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, bytes);
}

TEST_F(ClusterStorage, servers_ahead_of_the_journal_are_refused) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(kBlock, 7), 10));
  storage.reset();
  ClusterStorageOptions old = options(2, 3);
  old.possible = 8;
  auto opened = try_open(old);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("up to sequence 10, the journal ends at 8"));
}

TEST_F(ClusterStorage, a_block_of_a_wrong_length_is_an_error) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(4 * kBlock, 7), 1));
  (*fleet_)[2].command({"HSET", key(), "2", "short"});
  EXPECT_TRUE(read(*storage, 0, 2 * kBlock));
  auto got = read(*storage, 2 * kBlock, kBlock);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), Code::kCorruption);
  EXPECT_THAT(got.error().message(), HasSubstr("block 2 at 8192"));
}

TEST_F(ClusterStorage, a_sequential_reader_gets_blocks_ahead) {
  start_fleet();
  auto storage = create();
  ASSERT_TRUE(write(*storage, 0, filled(256 * kBlock, 7), 1));
  ASSERT_TRUE(read(*storage, 0, kBlock));
  ASSERT_TRUE(read(*storage, kBlock, kBlock));
  // The servers are gone, the blocks behind are here.
  for (std::size_t i = 0; i < fleet_->size(); ++i) (*fleet_)[i].kill();
  auto got = read(*storage, 2 * kBlock, 60 * kBlock);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, filled(60 * kBlock, 7));
}

// What settle() has confirmed is what every later read answers, with a cache that is too small and
// readers of all alignments beside it.
TEST_F(ClusterStorage, reads_beside_applying_are_never_stale) {
  start_fleet();
  create().reset();
  ClusterStorageOptions how = options(2);
  how.cache_bytes = 64 * kBlock;
  auto storage = open(how);
  constexpr std::uint64_t kBlocks = 96;
  std::array<std::atomic<std::uint64_t>, kBlocks> confirmed{};
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> stale = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::vector<std::thread> readers;
  for (unsigned number = 0; number < 2; ++number) {
    readers.emplace_back([&, number] {
      std::mt19937_64 random(number);
      while (!stop) {
        const std::uint64_t first = random() % kBlocks;
        const std::uint64_t count = 1 + random() % std::min<std::uint64_t>(kBlocks - first, 8);
        std::vector<std::uint64_t> least;
        for (std::uint64_t i = 0; i < count; ++i) least.push_back(confirmed[first + i]);
        auto got = read(*storage, first * kBlock, count * kBlock);
        if (!got) ++failed;
        for (std::uint64_t i = 0; got && i < count; ++i) {
          std::uint64_t stamp = 0;
          std::memcpy(&stamp, got->data() + i * kBlock, sizeof stamp);
          // Zeroed blocks have no stamp: only their neighbours are compared.
          if (stamp != 0 && stamp < least[i]) ++stale;
        }
      }
    });
  }
  std::mt19937_64 random(5);
  for (Sequence sequence = 1; sequence <= 600; ++sequence) {
    const std::uint64_t first = random() % kBlocks;
    const std::uint64_t count = 1 + random() % std::min<std::uint64_t>(kBlocks - first, 20);
    auto bytes = filled(count * kBlock, 1);
    for (std::uint64_t i = 0; i < count; ++i)
      std::memcpy(bytes.data() + i * kBlock, &sequence, sizeof sequence);
    Status done = write(*storage, first * kBlock, bytes, sequence);
    EXPECT_TRUE(done) << done.error().message();
    if (!done) break;
    for (std::uint64_t i = 0; i < count; ++i) confirmed[first + i] = sequence;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(stale, 0u);
  EXPECT_EQ(failed, 0u);
}

}  // namespace
}  // namespace tlog::blocks
