// Goal: never more than the rate in any span of time, and never a wait without end.
#include "tlog/flush/byte_rate.h"

#include <gtest/gtest.h>

#include <deque>

namespace tlog::flush {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

// Reads pieces of `piece` bytes as soon as it may, up to `end_ns`, from `begin_ns`; what it read.
std::uint64_t read_until(ByteRate& rate, std::uint64_t per_second, std::uint64_t piece,
                         std::uint64_t begin_ns, std::uint64_t end_ns) {
  std::uint64_t bytes = 0;
  for (std::uint64_t now = begin_ns; now < end_ns;) {
    if (rate.may_read(per_second, now)) {
      rate.has_read(piece);
      bytes += piece;
    } else {
      const std::uint64_t wait_ns = rate.wait_ns(per_second);
      EXPECT_GT(wait_ns, 0u);
      now += wait_ns;
    }
  }
  return bytes;
}

TEST(ByteRate, keeps_to_the_rate_and_reaches_it) {
  for (const std::uint64_t piece : {512u, 100'000u, 6'000'000u}) {
    ByteRate rate(0);
    const std::uint64_t bytes = read_until(rate, kMiB, piece, 0, 100 * kSecondNs);
    EXPECT_LE(bytes, 100 * kMiB + static_cast<std::uint64_t>(ByteRate::burst(kMiB)) + piece);
    EXPECT_GE(bytes, 100 * kMiB);
  }
}

TEST(ByteRate, what_was_not_used_is_not_made_up_for) {
  ByteRate rate(0);
  (void)read_until(rate, kMiB, 4096, 0, 10 * kSecondNs);
  const std::uint64_t hour = 3600 * kSecondNs;
  EXPECT_LE(read_until(rate, kMiB, 4096, hour, hour + kSecondNs), 2 * kMiB + 4096);
}

TEST(ByteRate, another_rate_counts_at_once) {
  ByteRate rate(0);
  (void)read_until(rate, 64 * kMiB, 4096, 0, kSecondNs);
  EXPECT_LE(read_until(rate, kMiB, 4096, kSecondNs, 2 * kSecondNs),
            2 * kMiB + static_cast<std::uint64_t>(ByteRate::burst(64 * kMiB)));
  EXPECT_TRUE(rate.may_read(0, 2 * kSecondNs)) << "0 is no limit";
  EXPECT_EQ(rate.wait_ns(0), 0u);
}

}  // namespace
}  // namespace tlog::flush
