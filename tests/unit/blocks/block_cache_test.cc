// Goal: the cache never answers older bytes than were confirmed before the read began, and keeps
// within its bound. Method: a single thread against a map; threads that fetch, change and forget
// like readers and the applying strand do, with stamps that only grow.
#include "tlog/blocks/block_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace tlog::blocks {
namespace {

constexpr std::uint32_t kBlock = 512;

std::vector<std::byte> stamped(std::uint64_t stamp) {
  std::vector<std::byte> block(kBlock);
  std::memcpy(block.data(), &stamp, sizeof stamp);
  std::memcpy(block.data() + kBlock - sizeof stamp, &stamp, sizeof stamp);
  return block;
}

TEST(BlockCache, answers_what_was_put_in_and_what_has_changed) {
  BlockCache cache(16 * 64 * kBlock, kBlock);
  std::vector<std::byte> got(8);
  EXPECT_FALSE(cache.read(5, 0, got));
  const BlockCache::Ticket ticket = cache.ticket(5);
  cache.insert(5, stamped(3), ticket);
  ASSERT_TRUE(cache.read(5, kBlock - 8, got));
  EXPECT_EQ(got[0], std::byte{3});
  cache.changed(5, stamped(4));
  ASSERT_TRUE(cache.read(5, 0, got));
  EXPECT_EQ(got[0], std::byte{4});
  cache.changed(5, {});
  ASSERT_TRUE(cache.read(5, 0, got));
  EXPECT_EQ(got[0], std::byte{0});
  cache.forget(0, std::uint64_t{1} << 40);
  EXPECT_FALSE(cache.has(5));
}

TEST(BlockCache, what_was_fetched_before_a_change_is_not_taken) {
  BlockCache cache(16 * 64 * kBlock, kBlock);
  BlockCache::Ticket ticket = cache.ticket(5);
  cache.changed(5, stamped(4));
  cache.insert(5, stamped(3), ticket);
  EXPECT_FALSE(cache.has(5));
  ticket = cache.ticket(5);
  cache.forget(0, std::uint64_t{1} << 40);
  cache.insert(5, stamped(3), ticket);
  EXPECT_FALSE(cache.has(5));
}

TEST(BlockCache, keeps_within_its_bound_and_drops_what_is_not_read) {
  BlockCache cache(16 * 4 * kBlock, kBlock);
  std::vector<std::byte> got(8);
  for (std::uint64_t index = 0; index < 1000; ++index) {
    cache.insert(index, stamped(index), cache.ticket(index));
    if (index > 0) {
      EXPECT_TRUE(cache.read(0, 0, got)) << "the block that is read all the time, at " << index;
    }
  }
  std::size_t kept = 0;
  for (std::uint64_t index = 0; index < 1000; ++index) kept += cache.has(index) ? 1 : 0;
  EXPECT_EQ(kept, 16u * 4u);
}

TEST(BlockCache, a_cache_of_nothing_keeps_nothing) {
  BlockCache cache(0, kBlock);
  cache.insert(1, stamped(1), cache.ticket(1));
  EXPECT_FALSE(cache.has(1));
}

// `servers` has what the servers have; `confirmed` what a reader may rely on.
TEST(BlockCache, is_never_stale_beside_changes) {
  constexpr std::uint64_t kBlocks = 40;
  BlockCache cache(16 * 2 * kBlock, kBlock);
  std::array<std::atomic<std::uint64_t>, kBlocks> servers{};
  std::array<std::atomic<std::uint64_t>, kBlocks> confirmed{};
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> stale = 0;
  std::atomic<std::uint64_t> hits = 0;
  std::vector<std::thread> readers;
  for (unsigned number = 0; number < 3; ++number) {
    readers.emplace_back([&, number] {
      std::mt19937_64 random(number);
      std::vector<std::byte> got(kBlock);
      while (!stop) {
        const std::uint64_t index = random() % kBlocks;
        const std::uint64_t least = confirmed[index];
        std::uint64_t stamp = 0;
        if (cache.read(index, 0, got)) {
          ++hits;
          std::memcpy(&stamp, got.data(), sizeof stamp);
        } else {
          const BlockCache::Ticket ticket = cache.ticket(index);
          stamp = servers[index];
          std::this_thread::yield();
          cache.insert(index, stamped(stamp), ticket);
        }
        if (stamp < least) ++stale;
      }
    });
  }
  std::mt19937_64 random(77);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  // Until the readers have had their share, on a busy machine too.
  for (std::uint64_t stamp = 1;
       stamp < 100'000 || (hits < 10'000 && std::chrono::steady_clock::now() < deadline); ++stamp) {
    const std::uint64_t index = random() % kBlocks;
    servers[index] = stamp;
    if (random() % 4 == 0) {
      cache.forget(index, index + 1);
    } else {
      cache.changed(index, stamped(stamp));
    }
    confirmed[index] = stamp;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(stale, 0u);
  EXPECT_GT(hits, 0u);
}

}  // namespace
}  // namespace tlog::blocks
