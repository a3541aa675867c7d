// Goal: the log that is gone on with has every record that can have been acknowledged. Method: a
// few cases by hand; and all ways in which three to five servers' logs can have forked, with what
// each record's holders make of it.
#include "server/client/histories.h"

#include <gtest/gtest.h>

#include <random>

namespace tlog::client {
namespace {

// Logs as texts: a letter a record, which says who wrote it.
Histories of(const std::vector<std::string>& logs, unsigned away, unsigned acknowledging) {
  Histories histories{.ends = {}, .agrees = {}, .away = away, .acknowledging = acknowledging};
  for (const std::string& one : logs) {
    histories.ends.push_back(one.size());
    std::vector<bool>& agrees = histories.agrees.emplace_back();
    for (const std::string& other : logs) {
      const std::size_t length = std::min(one.size(), other.size());
      agrees.push_back(one.compare(0, length, other, 0, length) == 0);
    }
  }
  return histories;
}

TEST(Histories, OneHistoryIsAsLongAsTheLongest) {
  EXPECT_EQ(right_log(of({"aaa", "aaaaa", "aaaa"}, 0, 2)), 1U);
  EXPECT_EQ(right_log(of({"aaa", "aaaaa"}, 1, 2)), 1U);
  EXPECT_EQ(right_log(of({"aaa"}, 0, 1)), 0U);
}

TEST(Histories, WhatOneHadAloneGivesWayToWhatTwoHave) {
  EXPECT_EQ(right_log(of({"aaaaaaaa", "aabb", "aabb"}, 0, 2)), 1U);
  EXPECT_EQ(right_log(of({"aaaaaaaa", "aabbb", "aab"}, 0, 2)), 1U);
}

TEST(Histories, WhatNobodyCanHaveAcknowledgedMayBeEither) {
  EXPECT_EQ(right_log(of({"aaaaa", "aabb", "aa"}, 0, 2)), 0U);
}

TEST(Histories, WhoIsAwayMayHaveEither) {
  EXPECT_FALSE(right_log(of({"aaaaa", "aabb"}, 1, 2)));
}

TEST(Histories, TwoAgainstTwoCannotBeTold) {
  EXPECT_FALSE(right_log(of({"aaaa", "aaaa", "aabb", "aabb"}, 0, 2)));
  EXPECT_FALSE(right_log(of({"aaaa", "aaaa", "aabb", "aabb", "aa"}, 0, 2)))
      << "nor is it what they have in common: one of them goes on";
  EXPECT_EQ(right_log(of({"aaaa", "aaaa", "aabb", "aabb", "aa"}, 0, 3)), 0U);
}

// Whatever the logs are like: what enough of them hold, those that are away counted as it may be,
// is in the one that is chosen.
TEST(Histories, NothingThatCanHaveBeenAcknowledgedIsLeftOut) {
  std::mt19937_64 random(20260101);
  unsigned chosen = 0;
  for (int round = 0; round < 50'000; ++round) {
    const unsigned count = 1 + random() % 5;
    std::vector<std::string> logs;
    for (unsigned i = 0; i < count; ++i) {
      const std::string base = i == 0 ? "" : logs[random() % i];
      logs.push_back(base.substr(0, random() % (base.size() + 1)) +
                     std::string(random() % 3, static_cast<char>('a' + random() % 3)));
    }
    const unsigned acknowledging = 1 + random() % (count + 1);
    const unsigned away = random() % acknowledging;
    const auto right = right_log(of(logs, away, acknowledging));
    if (!right) continue;
    ++chosen;
    for (const std::string& log : logs) {
      for (std::size_t end = 1; end <= log.size(); ++end) {
        const std::string history = log.substr(0, end);
        unsigned holders = away;
        for (const std::string& other : logs) holders += other.starts_with(history);
        if (holders >= acknowledging) {
          ASSERT_TRUE(logs[*right].starts_with(history))
              << history << " is not in " << logs[*right] << ", round " << round;
        }
      }
    }
  }
  EXPECT_GT(chosen, 10'000U);
}

}  // namespace
}  // namespace tlog::client
