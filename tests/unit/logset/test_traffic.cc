// What is told of copies elsewhere: never less behind than they are, in bytes and in time, from
// what they have said alone.
#include <gtest/gtest.h>

#include "gateways/logset/traffic.h"
#include "tests/support/test_clock.h"

namespace tlog::logset {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
using Lengths = std::vector<LogLength>;

struct TrafficTest : ::testing::Test {
  void pull(const Lengths& here, const LogLengths& there, const std::string& target = "") {
    traffic.pulled({.peer = "10.0.0.1", .target = target}, here, there);
  }
  PullerStatus puller() const {
    const TrafficStatus status = traffic.status();
    EXPECT_EQ(status.pullers.size(), 1u);
    return status.pullers.empty() ? PullerStatus() : status.pullers.front();
  }
  tlog::testing::TestClock clock{tlog::testing::TestClock::Kind::kStands};
  Traffic traffic{clock};
};

TEST_F(TrafficTest, is_silent_before_anything_was_asked) {
  EXPECT_FALSE(traffic.is_asked());
  const TrafficStatus status = traffic.status();
  EXPECT_FALSE(status.looked_ns);
  EXPECT_FALSE(status.pushed_ns);
  EXPECT_TRUE(status.pullers.empty());
}

TEST_F(TrafficTest, counts_what_a_copy_lacked_and_what_has_come_since) {
  pull({{"a", 100}, {"b", 50}}, {{"a", 70}});
  EXPECT_EQ(puller().behind_bytes, 80u);
  EXPECT_FALSE(puller().behind_ns) << "it never had everything";
  clock.pass(3 * kSecond);
  traffic.looked(Lengths{{"a", 110}, {"b", 50}, {"c", 1}});
  EXPECT_EQ(puller().behind_bytes, 91u);
  EXPECT_EQ(puller().pulled_ns, 3 * kSecond);
  EXPECT_EQ(traffic.status().bytes, 161u);
  EXPECT_EQ(traffic.status().logs, 3u);
  // Longer than ours is not ahead: nothing is taken off for it.
  pull({{"a", 110}, {"b", 50}, {"c", 1}}, {{"a", 500}, {"b", 49}});
  EXPECT_EQ(puller().behind_bytes, 2u);
}

// Both ways: what came from there is there.
TEST_F(TrafficTest, counts_nothing_that_the_copy_had_before) {
  pull({{"a", 100}}, {{"a", 100}, {"b", 70}, {"c", 5}});
  EXPECT_EQ(puller().behind_bytes, 0u);
  traffic.looked(Lengths{{"a", 100}, {"b", 70}});
  EXPECT_EQ(puller().behind_bytes, 0u);
  traffic.looked(Lengths{{"a", 100}, {"b", 90}, {"c", 4}});
  EXPECT_EQ(puller().behind_bytes, 20u);
}

TEST_F(TrafficTest, tells_since_when_a_copy_is_behind) {
  pull({{"a", 100}}, {{"a", 100}});
  clock.pass(5 * kSecond);
  EXPECT_EQ(puller().behind_ns, 5 * kSecond) << "nobody has looked since";
  traffic.looked(Lengths{{"a", 100}});
  EXPECT_EQ(puller().behind_ns, 0u);
  clock.pass(2 * kSecond);
  traffic.looked(Lengths{{"a", 101}});
  clock.pass(1 * kSecond);
  EXPECT_EQ(puller().behind_ns, 3 * kSecond);
  EXPECT_EQ(puller().behind_bytes, 1u);
}

// A log that always grows is never all there; the copy is as old as what it was told before.
TEST_F(TrafficTest, knows_how_old_the_copy_of_a_busy_log_is) {
  pull({{"a", 100}, {"b", 7}}, {{"b", 7}});
  clock.pass(4 * kSecond);
  pull({{"a", 200}, {"b", 7}}, {{"a", 100}, {"b", 7}});
  EXPECT_EQ(puller().behind_bytes, 100u);
  EXPECT_EQ(puller().behind_ns, 4 * kSecond);
  clock.pass(1 * kSecond);
  pull({{"a", 300}, {"b", 7}}, {{"a", 199}, {"b", 7}});
  EXPECT_EQ(puller().behind_ns, 5 * kSecond) << "it does not have all that it was told";
}

TEST_F(TrafficTest, sees_that_a_copy_has_lost_what_it_had) {
  pull({{"a", 100}}, {{"a", 100}});
  clock.pass(kSecond);
  pull({{"a", 100}}, {});
  EXPECT_EQ(puller().behind_bytes, 100u);
  EXPECT_FALSE(puller().behind_ns);
}

TEST_F(TrafficTest, tells_targets_apart_and_keeps_a_bounded_number) {
  for (int i = 0; i < 40; ++i) pull({{"a", 1}}, {}, "site" + std::to_string(i));
  const TrafficStatus status = traffic.status();
  ASSERT_EQ(status.pullers.size(), 16u);
  EXPECT_EQ(status.pullers.front().target, "site39");
  EXPECT_EQ(status.pullers.back().target, "site24");
}

TEST_F(TrafficTest, tells_pushes_and_why_nothing_can_be_said) {
  traffic.pushed(10);
  clock.pass(kSecond);
  traffic.pushed(5);
  EXPECT_TRUE(traffic.is_asked());
  EXPECT_EQ(traffic.status().pushed_bytes, 15u);
  EXPECT_EQ(traffic.status().pushed_ns, 0u);
  traffic.looked(Lengths{{"a", 3}});
  traffic.looked(fail(Code::kUnavailable, "the stores are away"));
  EXPECT_EQ(traffic.status().error, "the stores are away");
  EXPECT_EQ(traffic.status().bytes, 3u) << "what was known last";
  traffic.looked(Lengths{{"a", 3}});
  EXPECT_EQ(traffic.status().error, "");
}

}  // namespace
}  // namespace tlog::logset
