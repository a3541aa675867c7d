// Goal: writers are slowed down before they stall, to the rate at which space is released and not
// further, and nobody is slowed while there is room. Method: a journal and writers of arithmetic,
// with a clock of their own.
#include "tlog/session/pacing.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tlog::session {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSecond = 1'000 * kMs;
constexpr std::uint64_t kTotal = 1'000'000'000;
constexpr std::uint64_t kTimeout = 30 * kSecond;
constexpr std::uint64_t kWrite = 100'000;

// One writer after the other into a journal that gives back `rate` bytes a second.
struct Journal {
  explicit Journal(double bytes_per_second) : rate(bytes_per_second) {}

  // False when there is no room.
  bool write() {
    release();
    if (held() + kWrite > kTotal) return false;
    const std::uint64_t begin = pacing.begin_at({.total = kTotal,
                                                 .stall_timeout_ns = kTimeout,
                                                 .held = held(),
                                                 .releasable = released,
                                                 .other = 0},
                                                kWrite, now_ns);
    waited_ns = begin - now_ns;
    now_ns = begin + kMs / 10;  // the write itself: a gigabyte a second
    head += kWrite;
    return true;
  }
  void release() {
    const auto all = static_cast<std::uint64_t>(rate * static_cast<double>(now_ns) / kSecond);
    released = std::min(head, all);
  }
  std::uint64_t held() const { return head - released; }

  const double rate;
  Pacing pacing;
  std::uint64_t now_ns = 0;
  std::uint64_t head = 0;
  std::uint64_t released = 0;
  std::uint64_t waited_ns = 0;
};

TEST(Pacing, nobody_waits_while_there_is_room) {
  Pacing pacing;
  std::uint64_t released = 0;
  for (std::uint64_t now = 0; now < 10 * kSecond; now += kMs) {
    const Pacing::Fill fill{.total = kTotal,
                            .stall_timeout_ns = kTimeout,
                            .held = kTotal / 4 * 3,
                            .releasable = released += 10,
                            .other = 0.75};
    ASSERT_EQ(pacing.begin_at(fill, kWrite, now), now);
  }
}

TEST(Pacing, writers_come_down_to_the_rate_of_release_and_do_not_stall) {
  for (double rate : {20e6, 100e6, 500e6}) {
    Journal journal(rate);
    while (journal.held() < kTotal / 4 * 3) ASSERT_TRUE(journal.write());
    // Long enough to settle, then measured.
    const std::uint64_t settled_ns = journal.now_ns + 60 * kSecond;
    while (journal.now_ns < settled_ns) ASSERT_TRUE(journal.write()) << rate;
    const std::uint64_t from_ns = journal.now_ns;
    const std::uint64_t from = journal.head;
    while (journal.now_ns < from_ns + 20 * kSecond) {
      ASSERT_TRUE(journal.write()) << rate;
      ASSERT_LT(journal.waited_ns, kSecond) << "even, not in lumps";
    }
    const double written = static_cast<double>(journal.head - from) /
                           (static_cast<double>(journal.now_ns - from_ns) / kSecond);
    EXPECT_GT(written, 0.9 * rate);
    EXPECT_LT(written, 1.1 * rate);
  }
}

TEST(Pacing, the_delay_grows_while_nothing_is_released_and_has_an_end) {
  Journal journal(0);
  std::uint64_t longest = 0;
  std::uint64_t first_delay_at = 0;
  while (journal.write()) {
    if (journal.waited_ns > 0 && first_delay_at == 0) first_delay_at = journal.held();
    ASSERT_GE(journal.waited_ns + kMs, longest) << "at " << journal.held();
    longest = std::max(longest, journal.waited_ns);
    ASSERT_LE(journal.waited_ns, kTimeout);
  }
  EXPECT_GE(first_delay_at, kTotal / 4 * 3);
  EXPECT_LT(first_delay_at, kTotal / 100 * 77);
  EXPECT_GT(longest, 100 * kMs);
  EXPECT_GT(journal.now_ns, kTimeout) << "it filled up slowly";
  EXPECT_LT(journal.now_ns, 100 * kTimeout);
}

// Half a second in which it can see that nothing moves.
void watch(Pacing& pacing, Pacing::Fill fill) {
  fill.held = kTotal / 2;
  fill.other = 0;
  for (std::uint64_t now = kSecond / 2; now < kSecond; now += kMs) {
    pacing.begin_at(fill, kWrite, now);
  }
}

// What was measured long ago, and an idle time, are no reason to slow anybody down.
TEST(Pacing, a_burst_after_a_quiet_time_is_not_slowed) {
  Pacing pacing;
  watch(pacing,
        {.total = kTotal, .stall_timeout_ns = kTimeout, .held = 0, .releasable = 0, .other = 0});
  const std::uint64_t later = 3600 * kSecond;
  Pacing::Fill fill{.total = kTotal,
                    .stall_timeout_ns = kTimeout,
                    .held = kTotal / 2,
                    .releasable = 1'000'000,
                    .other = 0};
  EXPECT_EQ(pacing.begin_at(fill, kWrite, later), later);
  fill.held = kTotal / 10 * 9;
  for (std::uint64_t now = later; now < later + 40 * kMs; now += kMs) {
    ASSERT_EQ(pacing.begin_at(fill, kWrite, now), now);
  }
}

TEST(Pacing, many_writers_share_one_rate) {
  Pacing pacing;
  const Pacing::Fill fill{.total = kTotal,
                          .stall_timeout_ns = kTimeout,
                          .held = kTotal / 10 * 9,
                          .releasable = 0,
                          .other = 0};
  watch(pacing, fill);
  std::uint64_t last = 0;
  for (int writer = 0; writer < 32; ++writer) {
    const std::uint64_t begin = pacing.begin_at(fill, kWrite, kSecond);
    if (writer > 0) {
      EXPECT_GT(begin, last) << "one behind the other";
    }
    last = begin;
  }
  EXPECT_LE(last, kSecond + kTimeout);
}

TEST(Pacing, room_that_comes_back_ends_it) {
  Pacing pacing;
  Pacing::Fill fill{.total = kTotal,
                    .stall_timeout_ns = kTimeout,
                    .held = kTotal - kWrite,
                    .releasable = 0,
                    .other = 0};
  watch(pacing, fill);
  for (int i = 0; i < 10; ++i) pacing.begin_at(fill, kWrite, kSecond);
  fill.held = kTotal / 2;
  EXPECT_EQ(pacing.begin_at(fill, kWrite, kSecond), kSecond);
}

// A table of records that fills up before the journal does counts as well.
TEST(Pacing, the_fullest_resource_decides) {
  Pacing pacing;
  const Pacing::Fill fill{
      .total = kTotal, .stall_timeout_ns = kTimeout, .held = 0, .releasable = 0, .other = 0.99};
  watch(pacing, fill);
  pacing.begin_at(fill, kWrite, kSecond);
  EXPECT_GT(pacing.begin_at(fill, kWrite, kSecond), kSecond);
}

}  // namespace
}  // namespace tlog::session
