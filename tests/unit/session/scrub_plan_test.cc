// Goal: no part of the log goes longer without a scrub than the configuration says, whatever was
// interrupted; none is scrubbed before it is due; nothing that was found is forgotten by a restart.
#include "tlog/session/scrub_plan.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/log_samples.h"

namespace tlog::session {
namespace {

using flush::ScrubFound;
using flush::ScrubRecord;
using flush::ScrubStatus;

constexpr std::uint64_t kHour = 3'600'000'000'000;
constexpr std::uint64_t kDay = 24 * kHour;
constexpr ScrubIntervals kDaily{.light_ns = kDay, .deep_ns = 7 * kDay};
constexpr TimestampNs kStart = 1'700'000'000'000'000'000;

Uuid some_vdisk(std::uint64_t seed = 1) {
  return testing::SeededRandom(seed).next_uuid();
}
// Both have just been done.
ScrubRecord done_at(TimestampNs when) {
  return {.light = {.since = when, .finished = when}, .deep = {.since = when, .finished = when}};
}

TEST(ScrubPlan, a_new_vdisk_waits_for_its_first) {
  ScrubPlan plan({}, some_vdisk(), kStart);
  EXPECT_EQ(plan.next_at(false, kDaily), 0u) << "not known before somebody has asked";
  EXPECT_FALSE(plan.due(kDaily, kStart));
  const TimestampNs light = plan.next_at(false, kDaily);
  EXPECT_GE(light, kStart + kDay / 2);
  EXPECT_LE(light, kStart + kDay);
  EXPECT_FALSE(plan.due(kDaily, light - 1));
  auto run = plan.due(kDaily, light);
  ASSERT_TRUE(run);
  EXPECT_FALSE(run->deep);
  EXPECT_EQ(run->first, 1u);
  // Restarted every hour it is due all the same.
  ScrubPlan again(plan.to_keep(), some_vdisk(), light - kHour);
  EXPECT_EQ(again.next_at(false, kDaily), light);
}

TEST(ScrubPlan, the_interval_counts_from_the_end) {
  ScrubPlan plan(done_at(kStart), some_vdisk(), kStart);
  EXPECT_FALSE(plan.due(kDaily, kStart + kDay - 1));
  ASSERT_TRUE(plan.due(kDaily, kStart + kDay));
  plan.begun(false, kStart + kDay);
  plan.came_to(false, {.running = true, .done = 7, .last = 20, .missing = 2}, kStart + kDay + 1);
  EXPECT_EQ(plan.pass(false).began, kStart + kDay);
  EXPECT_EQ(plan.pass(false).done, 7u);
  plan.came_to(false, {.complete = true, .done = 20, .last = 20, .missing = 3, .mended = 1},
               kStart + kDay + kHour);
  EXPECT_EQ(plan.pass(false).began, 0u);
  EXPECT_EQ(plan.pass(false).finished, kStart + kDay + kHour);
  EXPECT_EQ(plan.pass(false).last, (ScrubFound{.missing = 3, .mended = 1}));
  EXPECT_EQ(plan.next_at(false, kDaily), kStart + 2 * kDay + kHour);
  // Repair goes on after the end of the scrub.
  plan.came_to(false, {.complete = true, .done = 20, .last = 20, .missing = 3, .mended = 3},
               kStart + kDay + 2 * kHour);
  EXPECT_EQ(plan.pass(false).last, (ScrubFound{.missing = 3, .mended = 3}));
  EXPECT_EQ(plan.pass(false).finished, kStart + kDay + kHour);
}

TEST(ScrubPlan, the_light_one_goes_first_and_the_deep_one_goes_on_after_it) {
  ScrubPlan plan(done_at(kStart), some_vdisk(), kStart);
  const TimestampNs now = kStart + 8 * kDay;
  EXPECT_FALSE(plan.due(kDaily, now)->deep);
  plan.begun(false, now);
  plan.came_to(false, {.complete = true, .done = 9, .last = 9}, now);
  auto run = plan.due(kDaily, now);
  ASSERT_TRUE(run);
  EXPECT_TRUE(run->deep);
  EXPECT_FALSE(run->continues);
  plan.begun(true, now);
  plan.came_to(true, {.running = true, .done = 4, .last = 9, .settled = 4}, now + kDay);
  EXPECT_FALSE(plan.due(kDaily, now + kDay)->deep) << "the light one is due again";
  plan.begun(false, now + kDay);
  plan.came_to(false, {.complete = true, .done = 9, .last = 9}, now + kDay);
  run = plan.due(kDaily, now + kDay);
  ASSERT_TRUE(run);
  EXPECT_TRUE(run->deep);
  EXPECT_EQ(run->first, 5u);
  EXPECT_TRUE(run->continues);
}

TEST(ScrubPlan, a_restart_goes_on_where_everything_is_settled) {
  const TimestampNs now = kStart + 8 * kDay;
  ScrubRecord kept;
  {
    ScrubPlan plan({.light = done_at(now).light, .deep = done_at(kStart).deep}, some_vdisk(), now);
    const TimestampNs at = plan.next_at(true, kDaily);
    ASSERT_TRUE(plan.due(kDaily, at)->deep);
    plan.begun(true, at);
    EXPECT_EQ(plan.to_keep().deep.done, 0u);
    // Of 5 that were found 2 are mended; the first that is not is 71's.
    plan.came_to(true,
                 {.running = true,
                  .done = 90,
                  .last = 200,
                  .settled = 70,
                  .missing = 2,
                  .wrong = 3,
                  .unreachable = 4,
                  .mended = 2,
                  .missing_left = 1,
                  .wrong_left = 2},
                 at);
    kept = plan.to_keep();
  }
  EXPECT_EQ(kept.deep.done, 70u);
  EXPECT_EQ(kept.deep.found, (ScrubFound{.missing = 1, .wrong = 1, .unreachable = 4, .mended = 2}));
  ScrubPlan plan(kept, some_vdisk(), now + kHour);
  const TimestampNs at = plan.next_at(true, kDaily);
  EXPECT_LE(at, now + kHour + ScrubPlan::kSpreadMaxNs) << "soon after the opening";
  auto run = plan.due(kDaily, at);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->first, 71u);
  EXPECT_FALSE(run->continues) << "not of this life: its counts are in the record";
  plan.begun(true, at);
  EXPECT_EQ(plan.to_keep().deep.done, 70u) << "also before the first answer";
  plan.came_to(true,
               {.complete = true,
                .done = 210,
                .last = 210,
                .settled = 210,
                .missing = 1,
                .wrong = 2,
                .mended = 3},
               at);
  EXPECT_EQ(plan.pass(true).last,
            (ScrubFound{.missing = 2, .wrong = 3, .unreachable = 4, .mended = 5}));
}

TEST(ScrubPlan, what_was_found_and_not_mended_is_looked_at_again_after_a_restart) {
  ScrubRecord record = done_at(kStart);
  record.deep.last = {.wrong = 2, .mended = 1};
  ScrubPlan plan(record, some_vdisk(), kStart + kHour);
  EXPECT_LE(plan.next_at(true, kDaily), kStart + kHour + ScrubPlan::kSpreadMaxNs);
  EXPECT_EQ(plan.next_at(false, kDaily), kStart + kDay);
}

TEST(ScrubPlan, what_was_due_while_the_host_was_off_is_spread) {
  std::set<TimestampNs> moments;
  const TimestampNs opened = kStart + 30 * kDay;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    ScrubPlan plan(done_at(kStart), some_vdisk(seed), opened);
    const TimestampNs at = plan.next_at(false, kDaily);
    EXPECT_GE(at, opened);
    EXPECT_LE(at, opened + ScrubPlan::kSpreadMaxNs);
    EXPECT_FALSE(at > opened && plan.due(kDaily, at - 1));
    EXPECT_TRUE(plan.due(kDaily, at));
    moments.insert(at / 60'000'000'000);
  }
  EXPECT_GE(moments.size(), 20u) << "minutes in which one begins";
}

TEST(ScrubPlan, what_is_turned_off_is_never_due) {
  ScrubRecord record = done_at(1);
  record.light.began = 2;
  record.light.done = 5;
  ScrubPlan plan(record, some_vdisk(), kStart);
  EXPECT_FALSE(plan.due({}, kStart + kDay));
  EXPECT_EQ(plan.next_at(false, {}), 0u);
  EXPECT_EQ(plan.next_at(true, {}), 0u);
  EXPECT_TRUE(plan.due({.light_ns = 0, .deep_ns = kDay}, kStart + kDay)->deep);
  const auto light = plan.due({.light_ns = kDay, .deep_ns = 0}, kStart + kDay);
  ASSERT_TRUE(light);
  EXPECT_EQ(light->first, 6u) << "what was turned off goes on when it is turned on";
  EXPECT_EQ(ScrubPlan({}, some_vdisk(), kStart).to_keep(), ScrubRecord{});
}

TEST(ScrubPlan, a_clock_that_went_back_makes_nobody_wait_for_years) {
  ScrubPlan plan(done_at(kStart + 3650 * kDay), some_vdisk(), kStart + 3650 * kDay);
  EXPECT_FALSE(plan.due(kDaily, kStart));
  EXPECT_TRUE(plan.due(kDaily, kStart + kDay));
}

}  // namespace
}  // namespace tlog::session
