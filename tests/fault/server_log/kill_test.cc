// Goal: a server that dies at any moment loses nothing that it said was stored, and what is sent
// again is stored once. Method: many rounds of a log that is destroyed at a random moment while
// its stores answer late, each in its own time, and some not at all; the next opening is resent
// from what it says it has. At the end every record is read back.
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/served_log_rig.h"

namespace tlog::server {
namespace {

using testing::Heard;
using testing::ServedLogRig;
using testing::soon;

constexpr int kRounds = 100;
constexpr std::uint64_t kBudgetNs = 20'000'000'000;

class KillTest : public ::testing::Test {
 protected:
  KillTest() {
    const char* given = std::getenv("TLOG_SEED");
    const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 4711;
    RecordProperty("seed", std::to_string(seed));
    chance_.restart(seed);
  }
  std::uint64_t below(std::uint64_t limit) { return chance_.next() % limit; }

  // Stores answer late, and one of them perhaps not at all.
  void let_stores_be_slow() {
    const std::uint64_t down = below(2 * ServedLogRig::kStores);
    for (unsigned i = 0; i < ServedLogRig::kStores; ++i) {
      rig_.contents(i).refuse(i == down);
      rig_.contents(i).delay(below(3'000'000));
    }
  }
  void let_stores_be() {
    for (unsigned i = 0; i < ServedLogRig::kStores; ++i) {
      rig_.contents(i).refuse(false);
      rig_.contents(i).delay(0);
    }
  }
  // Sends on from what the log has, until a moment that comes by chance.
  void send_for_a_while(ServedLog& log, Heard& heard) {
    const Sequence first = log.taken() + 1;
    const Sequence until = first + below(400);
    for (Sequence next = first; next < until;) {
      ASSERT_TRUE(soon([&] { return !log.full(); }));
      // Some of it is sent twice, as after a connection that broke.
      const Sequence from = next - std::min<Sequence>(next - first, below(4));
      const std::uint64_t count = 1 + below(40);
      ASSERT_TRUE(log.take(rig_.records().batch(from, next - from + count)));
      next += count;
      if (below(4) == 0) log.force(next - 1);
    }
    const Sequence awaited = first + below(until - first + 1);
    (void)testing::wait_until([&] { return heard.stored >= awaited; },
                              testing::Milliseconds(static_cast<int>(below(20))));
  }

  testing::SeededRandom chance_{1};
  ServedLogRig rig_;
};

TEST_F(KillTest, nothing_stored_is_lost_and_nothing_is_stored_twice) {
  Sequence stored = 0;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    Heard heard;
    let_stores_be();
    auto log = rig_.open(heard);
    ASSERT_TRUE(log);
    ASSERT_GE(log->position().sequence, stored) << "it was said to be stored";
    ASSERT_EQ(log->taken(), log->position().sequence);
    let_stores_be_slow();
    send_for_a_while(*log, heard);
    if (HasFatalFailure()) return;
    stored = std::max(log->stored(), heard.stored.load());
    log.reset();
    EXPECT_EQ(heard.failures, 0u);
    EXPECT_FALSE(heard.backwards);
  }
  let_stores_be();
  Heard heard;
  auto log = rig_.open(heard);
  ASSERT_TRUE(log);
  const Sequence last = log->taken() + 10;
  ASSERT_TRUE(log->take(rig_.records().batch(log->taken() + 1, 10)));
  EXPECT_TRUE(soon([&] { return log->log_status().doubtful_shards == 0; }));
  EXPECT_TRUE(soon([&] { return log->log_status().missing_shards == 0; }));
  EXPECT_TRUE(log->close(kBudgetNs));
  EXPECT_GT(last, 1000u) << "the rounds have stored something";
  EXPECT_EQ(rig_.lacking_shards(), 0u);
  rig_.expect_log(last);
}

}  // namespace
}  // namespace tlog::server
