// Goal: a promise of maxLag is kept while the stores keep some pace, whatever the writers would do,
// and they are no slower for it than the stores; nobody is slowed while it is not in danger.
// Method: stores and writers of arithmetic, with a clock of their own.
#include "tlog/session/lag_pacing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

namespace tlog::session {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSecond = 1'000 * kMs;
constexpr std::uint64_t kMax = 2 * kSecond;
constexpr std::uint64_t kStall = 30 * kSecond;
constexpr std::uint64_t kWrite = 64 * 1024;
constexpr std::uint64_t kAggregation = 4 * 1024 * 1024;

// Writers that write whatever they may, and stores that take one aggregation after the other, of
// what has gathered.
struct Log {
  explicit Log(double bytes_per_second) : rate(bytes_per_second) {}

  void write(std::uint64_t pause_ns) {
    run_to(now_ns + pause_ns);
    LagPacing::Progress seen = progress();
    pacing.measure(seen, now_ns);
    const std::uint64_t begin = pacing.begin_at(seen, kWrite, kStall, now_ns);
    waited_ns = begin - now_ns;
    // As the data path does it: nobody waits any more when the danger is over.
    for (std::uint64_t at = now_ns; at < begin; at = now_ns) {
      run_to(std::min(begin, at + 20 * kMs));
      pacing.measure(progress(), now_ns);
      if (pacing.share(progress()) <= LagPacing::kSlowFrom) break;
    }
    head += kWrite;
    written.push_back({head, now_ns});
  }
  void run_to(std::uint64_t to_ns) {
    while (true) {
      if (storing == 0 && head > stored) {
        storing = std::min(head - stored, kAggregation);
        ready_ns = std::max(now_ns, ready_ns) +
                   static_cast<std::uint64_t>(static_cast<double>(storing) / rate * kSecond);
      }
      if (storing == 0 || ready_ns > to_ns) break;
      now_ns = std::max(now_ns, ready_ns);
      stored += storing;
      storing = 0;
      while (!written.empty() && written.front().end <= stored) {
        oldest_ns = std::max(oldest_ns, now_ns - written.front().at_ns);
        written.pop_front();
      }
    }
    now_ns = std::max(now_ns, to_ns);
  }
  LagPacing::Progress progress() const {
    return {.max_ns = kMax,
            .age_ns = written.empty() ? 0 : now_ns - written.front().at_ns,
            .reached = stored,
            .behind = head - stored,
            .step = kAggregation};
  }

  struct Written {
    std::uint64_t end;
    std::uint64_t at_ns;
  };
  double rate;
  LagPacing pacing;
  std::uint64_t now_ns = 0;
  std::uint64_t head = 0;
  std::uint64_t stored = 0;
  std::uint64_t storing = 0;
  std::uint64_t ready_ns = 0;
  std::uint64_t waited_ns = 0;
  std::uint64_t oldest_ns = 0;  // that any was when it was stored
  std::deque<Written> written;
};

TEST(LagPacing, the_promise_is_kept_at_any_pace_of_the_stores_and_at_that_pace) {
  for (double rate : {10e6, 50e6, 300e6}) {
    SCOPED_TRACE(rate);
    Log log(rate);
    while (log.now_ns < 20 * kSecond) log.write(kMs / 10);
    const std::uint64_t from = log.head;
    const std::uint64_t from_ns = log.now_ns;
    while (log.now_ns < from_ns + 20 * kSecond) log.write(kMs / 10);
    EXPECT_LT(log.oldest_ns, kMax);
    const double written = static_cast<double>(log.head - from) /
                           (static_cast<double>(log.now_ns - from_ns) / kSecond);
    EXPECT_GT(written, 0.9 * rate);
    EXPECT_LT(written, 1.1 * rate);
  }
}

// At once; what has been let in by then is stored at the new pace.
TEST(LagPacing, stores_that_become_slower_are_followed) {
  Log log(200e6);
  while (log.now_ns < 5 * kSecond) log.write(kMs);  // 65 MB a second
  EXPECT_LT(log.oldest_ns, kMax / 4);
  log.rate = 30e6;
  while (log.now_ns < 40 * kSecond) log.write(kMs);
  EXPECT_LT(log.oldest_ns, kMax);
  EXPECT_GT(log.oldest_ns, kMax / 2) << "it had to be slowed";
}

TEST(LagPacing, writers_that_the_stores_can_follow_are_never_slowed) {
  Log log(500e6);
  while (log.now_ns < 10 * kSecond) {
    log.write(kMs / 4);  // 262 MB a second
    ASSERT_EQ(log.waited_ns, 0U) << log.now_ns;
  }
}

// Little writing says nothing of what the stores can do: a burst is not held back for long.
TEST(LagPacing, a_burst_after_a_quiet_time_is_soon_let_go) {
  Log log(300e6);
  while (log.now_ns < 10 * kSecond) log.write(100 * kMs);
  const std::uint64_t from_ns = log.now_ns;
  for (int i = 0; i < 400; ++i) log.write(kMs / 4);  // 26 MB, in 0.1 s if nobody waited
  EXPECT_LT(log.now_ns - from_ns, kSecond / 2);
}

TEST(LagPacing, the_delay_grows_with_the_share_that_is_used_up) {
  Log log(100e6);
  while (log.now_ns < kSecond) log.write(kMs / 10);
  auto delay = [&](double age) {
    LagPacing pacing = log.pacing;
    (void)pacing.begin_at({.max_ns = kMax}, kWrite, kStall, log.now_ns);  // nobody has waited
    const LagPacing::Progress progress{
        .max_ns = kMax,
        .age_ns = static_cast<std::uint64_t>(age * static_cast<double>(kMax)),
        .reached = log.stored,
        .behind = 1};
    (void)pacing.begin_at(progress, kWrite, kStall, log.now_ns);
    return pacing.begin_at(progress, kWrite, kStall, log.now_ns) - log.now_ns;
  };
  EXPECT_EQ(delay(0.1), 0U);
  EXPECT_EQ(delay(0.75), 0U);
  std::uint64_t before = 0;
  for (double age : {0.76, 0.8, 0.85, 0.9, 0.95, 0.99, 0.999}) {
    EXPECT_GT(delay(age), before) << age;
    before = delay(age);
  }
  EXPECT_NEAR(static_cast<double>(delay(0.875)), kWrite / 100e6 * kSecond, 0.1 * kMs)
      << "as fast as the stores";
  EXPECT_LE(delay(1.5), kStall) << "never longer than stallTimeout";
}

// Stores that never take anything: what is let in before the promise is at stake may be broken,
// but from three quarters on hardly anything is.
TEST(LagPacing, hardly_anything_goes_on_while_nothing_is_stored) {
  Log log(100e6);
  while (log.now_ns < kSecond) log.write(kMs);
  log.rate = 1e-3;
  while (log.progress().age_ns < kMax / 100 * 76) log.write(kMs / 4);
  const std::uint64_t head = log.head;
  const std::uint64_t until_ns = log.now_ns + kMax / 100 * 23;
  while (log.now_ns < until_ns) log.write(0);
  EXPECT_LT(log.head - head, 100e6 * 0.5) << "of the 0.46 s there were";
  EXPECT_GE(log.progress().age_ns, kMax / 100 * 99);
}

}  // namespace
}  // namespace tlog::session
