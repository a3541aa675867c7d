// Goal: NumberSet is a set, whatever runs it is made of.
#include "tlog/flush/number_set.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/log_samples.h"

namespace tlog::flush {
namespace {

TEST(NumberSet, runs_join_and_split) {
  NumberSet set;
  set.insert(5);
  set.insert(7);
  EXPECT_EQ(set.runs().size(), 2U);
  set.insert(6);
  EXPECT_EQ(set.runs().size(), 1U);
  set.insert_run(1, 20);
  EXPECT_EQ(set.runs().size(), 1U);
  EXPECT_EQ(set.count(), 20U);
  set.erase(10);
  EXPECT_EQ(set.runs().size(), 2U);
  EXPECT_EQ(set.next(10), 11U);
  EXPECT_EQ(set.next(21), std::nullopt);
}

TEST(NumberSet, is_a_set) {
  const std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  testing::SeededRandom random(seed);
  NumberSet set;
  std::set<AggregationNumber> model;
  for (int i = 0; i < 5000; ++i) {
    const AggregationNumber number = 1 + random.next() % 200;
    if (random.next() % 3 == 0) {
      const AggregationNumber last = number + random.next() % 8;
      set.insert_run(number, last);
      for (AggregationNumber n = number; n <= last; ++n) model.insert(n);
    } else {
      set.erase(number);
      model.erase(number);
    }
    ASSERT_EQ(set.count(), model.size());
    const AggregationNumber from = random.next() % 220;
    auto expected = model.lower_bound(from);
    ASSERT_EQ(set.next(from),
              expected == model.end() ? std::nullopt : std::optional<AggregationNumber>(*expected));
    ASSERT_EQ(set.contains(from), model.contains(from));
    AggregationNumber gap = from;
    while (gap > 0 && model.contains(gap)) --gap;
    ASSERT_EQ(set.gap_before(from), gap);
  }
}

}  // namespace
}  // namespace tlog::flush
