// Goal: what stores have lost or hold wrongly is found and mended without anybody asking for it, at
// the configured rate and no more, and neither a restart nor another scrub lets a part of the log
// go unlooked at. Method: a whole log, a clock that the test moves on, and what a vdisk does every
// half second done by the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/log_rig.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_clock.h"
#include "tlog/flush/scrub.h"
#include "tlog/session/scrubbing.h"

namespace tlog::session {
namespace {

using flush::ScrubFound;
using testing::FaultStore;
using testing::LogRig;
using testing::TestClock;

constexpr AggregationNumber kCount = 40;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kDay = 86'400 * kSecond;
constexpr std::uint64_t kSlow = 64 * kKiB;  // a second; the log has some twenty times that

class BackgroundScrub : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status begun = rig.begin(kCount);
    ASSERT_TRUE(begun) << begun.error().message();
    ASSERT_TRUE(is_quiet());
    begin();
  }
  void begin() {
    scrubbing = std::make_unique<Scrubbing>(Scrubbing::Parts{.log = &rig.writer(),
                                                             .files = &io::system_files(),
                                                             .path = directory.file("scrub"),
                                                             .name = rig.vdisk(),
                                                             .vdisk = rig.format().vdisk,
                                                             .loop = &rig.loop(),
                                                             .workers = &rig.workers(),
                                                             .clock = &clock,
                                                             .logger = &rig.logger(),
                                                             .wishes = [this] { return wishes; },
                                                             .failed = [this] { return failed; }});
    scrubbing->step();
  }
  // As after a crash of the process, or an orderly end.
  void restart(bool orderly) {
    if (orderly) scrubbing->stop();
    scrubbing.reset();
    rig.crash_writer();
    ASSERT_TRUE(rig.open_writer());
    ASSERT_TRUE(is_quiet());
    begin();
  }
  bool is_quiet() {
    return rig.wait_until([&] {
      const flush::LogWriterStatus status = rig.writer().status();
      return status.missing_shards == 0 && status.buffered_bytes == 0 && status.in_flight == 0;
    });
  }
  // Steps until it is so.
  template <class Condition>
  bool comes(Condition condition) {
    return rig.wait_until([&] {
      scrubbing->step();
      return condition(scrubbing->status());
    });
  }
  bool light_ends(std::uint64_t pass_ns = kDay) {
    const TimestampNs before = scrubbing->status().light.finished;
    clock.pass(pass_ns);
    return comes([&](const ScrubSchedule& now) { return now.light.finished > before; });
  }
  // Time passes as fast as the scrub wants it.
  bool deep_ends() {
    const TimestampNs before = scrubbing->status().deep.finished;
    return comes([&](const ScrubSchedule& now) {
      clock.pass(kSecond / 10);
      return now.deep.finished > before;
    });
  }
  // A deep scrub at kSlow, somewhere in the middle: the first number that it has not looked at.
  AggregationNumber stop_in_the_middle() {
    wishes.every.light_ns = 0;
    wishes.bytes_per_second = kSlow;
    clock.pass(7 * kDay);
    scrubbing->step();
    EXPECT_TRUE(comes([&](const ScrubSchedule& now) {
      if (now.deep.done < kCount / 4) clock.pass(kSecond / 10);
      return now.deep.done >= kCount / 4;
    }));
    const ScrubSchedule now = scrubbing->status();
    EXPECT_TRUE(now.deep.running);
    EXPECT_LT(now.deep.done, kCount / 2);
    return now.deep.done + 1;
  }
  // In another life, behind `next` - 1; what was looked at before is not looked at again.
  void expect_it_goes_on(AggregationNumber next) {
    const AggregationNumber done = scrubbing->status().deep.done;
    EXPECT_GE(done, next - 1);
    EXPECT_LT(done, kCount);
    wishes.bytes_per_second = 0;
    clock.pass(ScrubPlan::kSpreadMaxNs);
    ASSERT_TRUE(deep_ends());
    EXPECT_EQ(rig.writer().status().deep_scrub.checked, 6 * (kCount - done));
    EXPECT_EQ(scrubbing->status().deep.result, ScrubFound{});
  }
  std::uint64_t deep_bytes() { return rig.writer().status().deep_scrub.bytes; }
  std::uint64_t calls() {
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < 6; ++i) sum += rig.fault(i).calls();
    return sum;
  }
  static bool flip(Buffer& shard) {
    shard.data()[shard.size() / 2] ^= std::byte{1};
    return true;
  }

  TestClock clock{TestClock::Kind::kStands};
  testing::TempDirectory directory;
  LogRig rig{{.hints_path = directory.file("hints"), .record_bytes_max = 20'000, .clock = &clock}};
  Scrubbing::Wishes wishes{.every = {.light_ns = kDay, .deep_ns = 7 * kDay}, .bytes_per_second = 0};
  bool failed = false;
  std::unique_ptr<Scrubbing> scrubbing;
};

TEST_F(BackgroundScrub, nothing_is_due_and_nothing_is_read) {
  const std::uint64_t before = calls();
  const TimestampNs next = scrubbing->status().light.next;
  ASSERT_GT(next, clock.wall_ns() + kSecond);
  clock.pass(next - clock.wall_ns() - kSecond);
  for (unsigned i = 0; i < 10; ++i) scrubbing->step();
  EXPECT_EQ(calls(), before);
  EXPECT_EQ(rig.writer().status().light_scrub.runs, 0u);
  wishes.every = {};
  clock.pass(30 * kDay);
  for (unsigned i = 0; i < 10; ++i) scrubbing->step();
  EXPECT_EQ(calls(), before) << "turned off";
  wishes.every.light_ns = kDay;
  EXPECT_TRUE(light_ends(0)) << "and on again";
  EXPECT_EQ(calls(), before + 6 * kCount) << "each looked at once";
}

TEST_F(BackgroundScrub, what_is_missing_or_wrong_is_mended) {
  rig.tamper(3, 0, [](Buffer&) { return false; });
  rig.tamper(7, 5, [](Buffer&) { return false; });
  rig.tamper(9, 2, flip);
  wishes.every.deep_ns = 0;
  ASSERT_TRUE(light_ends());
  ASSERT_TRUE(comes([](const ScrubSchedule& now) { return now.light.result.mended == 2; }));
  EXPECT_EQ(scrubbing->status().light.result, (ScrubFound{.missing = 2, .mended = 2}));
  EXPECT_EQ(scrubbing->status().deep.next, 0u);
  wishes.every.deep_ns = 7 * kDay;
  clock.pass(7 * kDay);
  ASSERT_TRUE(deep_ends());
  ASSERT_TRUE(comes([](const ScrubSchedule& now) { return now.deep.result.mended == 1; }));
  EXPECT_EQ(scrubbing->status().deep.result, (ScrubFound{.wrong = 1, .mended = 1}));
  ASSERT_TRUE(rig.writer().scrub({.deep = true, .bytes_per_second = 0}));
  ASSERT_TRUE(rig.wait_until([&] { return !rig.writer().status().scrub.running; }));
  const flush::ScrubStatus clean = rig.writer().status().scrub;
  EXPECT_EQ(clean.checked, 6 * kCount);
  EXPECT_EQ(clean.missing + clean.wrong + clean.unreachable, 0u) << clean.first_finding;
  scrubbing->stop();
  rig.close_writer();
  rig.expect_log_is_model();
}

TEST_F(BackgroundScrub, the_rate_is_kept) {
  wishes.every.light_ns = 0;
  wishes.bytes_per_second = kSlow;
  clock.pass(7 * kDay);
  scrubbing->step();
  const std::uint64_t one = 6 * 30'000;  // more than the shards of an aggregation have
  for (std::uint64_t seconds = 0; seconds < 5; ++seconds) {
    const std::uint64_t allowed = flush::ByteRate::kBurstMin + seconds * kSlow;
    ASSERT_TRUE(rig.wait_until([&] { return deep_bytes() >= allowed; })) << seconds;
    // It goes on asking for the time, and is not given any.
    const std::uint64_t asked = clock.asked();
    ASSERT_TRUE(rig.wait_until([&] { return clock.asked() > asked + 1; }));
    ASSERT_LE(deep_bytes(), allowed + one) << seconds;
    clock.pass(kSecond);
  }
  EXPECT_TRUE(scrubbing->status().deep.running);
  // Another rate counts for the one that runs.
  wishes.bytes_per_second = 0;
  scrubbing->step();
  EXPECT_TRUE(comes([](const ScrubSchedule& now) { return now.deep.finished != 0; }));
  EXPECT_EQ(rig.writer().status().deep_scrub.checked, 6 * kCount);
}

TEST_F(BackgroundScrub, it_yields_to_writes) {
  rig.fault(0).set(FaultStore::Mode::kDown);
  rig.fault(1).set(FaultStore::Mode::kDown);
  rig.append(1);
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().in_flight == 1; }));
  wishes.every.light_ns = 0;
  wishes.bytes_per_second = kSlow;
  clock.pass(7 * kDay);
  scrubbing->step();
  const std::uint64_t one = 4 * 30'000;
  ASSERT_TRUE(rig.wait_until([&] { return deep_bytes() >= flush::ByteRate::kBurstMin; }));
  const std::uint64_t seconds = flush::Scrub::kYield;
  for (std::uint64_t i = 0; i < seconds; ++i) {
    const std::uint64_t asked = clock.asked();
    ASSERT_TRUE(rig.wait_until([&] { return clock.asked() > asked + 1; }));
    clock.pass(kSecond);
  }
  EXPECT_LE(deep_bytes(),
            flush::ByteRate::kBurstMin + seconds * kSlow / flush::Scrub::kYield + one);
  rig.fault(0).set(FaultStore::Mode::kUp);
  rig.fault(1).set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.wait_committed(kCount + 1));
  ASSERT_TRUE(is_quiet());
  EXPECT_TRUE(deep_ends()) << "it never stands still";
}

TEST_F(BackgroundScrub, it_goes_on_after_a_restart_where_it_was) {
  const AggregationNumber next = stop_in_the_middle();
  restart(true);
  expect_it_goes_on(next);
}

TEST_F(BackgroundScrub, after_a_crash_it_goes_on_near_where_it_was) {
  const AggregationNumber next = stop_in_the_middle();
  clock.pass(6 * kSecond);  // more than it keeps to itself
  scrubbing->step();
  restart(false);
  expect_it_goes_on(next);
}

// The repair of a wrong shard is not remembered by anything else.
TEST_F(BackgroundScrub, what_is_wrong_and_not_mended_is_found_again_after_a_restart) {
  rig.tamper(5, 2, flip);
  FaultStore& store = rig.fault(static_cast<unsigned>(walk::store_of(5, 2, 6)));
  store.set(FaultStore::Mode::kFull);
  wishes.every.light_ns = 0;
  clock.pass(7 * kDay);
  ASSERT_TRUE(deep_ends());
  EXPECT_EQ(scrubbing->status().deep.result.wrong, 1u);
  EXPECT_EQ(scrubbing->status().deep.result.mended, 0u);
  scrubbing->stop();
  scrubbing.reset();
  rig.crash_writer();
  store.set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.open_writer());
  begin();
  clock.pass(ScrubPlan::kSpreadMaxNs);
  ASSERT_TRUE(deep_ends()) << "not in a week";
  ASSERT_TRUE(comes([](const ScrubSchedule& now) { return now.deep.result.mended == 1; }));
  EXPECT_EQ(scrubbing->status().deep.result.wrong, 1u);
}

TEST_F(BackgroundScrub, one_that_somebody_asks_for_goes_first_and_never_at_the_same_time) {
  const AggregationNumber next = stop_in_the_middle();
  rig.fault(2).set(FaultStore::Mode::kHang);
  ASSERT_TRUE(rig.writer().scrub({.deep = true})) << "the background gives way";
  EXPECT_FALSE(rig.writer().status().deep_scrub.running);
  EXPECT_FALSE(rig.writer().scrub({.background = true})) << "a command does not";
  wishes.bytes_per_second = 0;
  clock.pass(kDay);
  for (unsigned i = 0; i < 5; ++i) scrubbing->step();
  EXPECT_FALSE(rig.writer().status().deep_scrub.running);
  EXPECT_THAT(scrubbing->status().waiting, ::testing::HasSubstr("somebody has asked for"));
  rig.fault(2).set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.wait_until([&] { return !rig.writer().status().scrub.running; }));
  EXPECT_TRUE(rig.writer().status().scrub.complete);
  EXPECT_EQ(rig.writer().status().scrub.checked, 6 * kCount);
  EXPECT_EQ(rig.writer().status().scrub.missing + rig.writer().status().scrub.wrong, 0u);
  ASSERT_TRUE(comes([](const ScrubSchedule& now) { return now.deep.finished != 0; }));
  EXPECT_EQ(scrubbing->status().waiting, "");
  EXPECT_GE(next, kCount / 4);
  // One aggregation may have been under way when it gave way.
  EXPECT_GE(rig.writer().status().deep_scrub.checked, 6 * kCount);
  EXPECT_LE(rig.writer().status().deep_scrub.checked, 6 * (kCount + 1));
}

TEST_F(BackgroundScrub, the_light_one_does_not_wait_for_the_deep_one) {
  (void)stop_in_the_middle();
  wishes.every.light_ns = kDay;
  ASSERT_TRUE(comes([&](const ScrubSchedule& now) {
    clock.pass(kSecond / 10);
    return now.light.finished != 0;
  }));
  EXPECT_EQ(scrubbing->status().deep.finished, 0u);
  EXPECT_TRUE(comes([](const ScrubSchedule& now) { return now.deep.running; }));
  wishes.bytes_per_second = 0;
  EXPECT_TRUE(deep_ends());
  EXPECT_LE(rig.writer().status().deep_scrub.checked, 6 * (kCount + 1)) << "it has gone on";
}

TEST_F(BackgroundScrub, a_store_that_does_not_answer_is_counted) {
  rig.fault(1).set(FaultStore::Mode::kDown);
  ASSERT_TRUE(light_ends());
  EXPECT_EQ(scrubbing->status().light.result, (ScrubFound{.unreachable = kCount}));
}

TEST_F(BackgroundScrub, a_file_that_cannot_be_used_is_said_and_nothing_else) {
  ASSERT_TRUE(light_ends());
  scrubbing->stop();
  scrubbing.reset();
  testing::write_text(directory.file("scrub"), "something else");
  begin();
  EXPECT_TRUE(rig.logger().has("event=scrub_file_unusable"));
  EXPECT_EQ(scrubbing->status().light.finished, 0u);
  ASSERT_TRUE(light_ends());
  scrubbing->stop();
  scrubbing.reset();
  begin();
  EXPECT_NE(scrubbing->status().light.finished, 0u);
}

TEST_F(BackgroundScrub, a_vdisk_that_has_failed_is_not_scrubbed_any_more) {
  (void)stop_in_the_middle();
  failed = true;
  scrubbing->step();
  EXPECT_FALSE(rig.writer().status().deep_scrub.running);
  const std::uint64_t before = calls();
  clock.pass(30 * kDay);
  wishes.every.light_ns = kDay;
  for (unsigned i = 0; i < 10; ++i) scrubbing->step();
  EXPECT_EQ(calls(), before);
  EXPECT_EQ(scrubbing->status().light.next, 0u);
  EXPECT_NE(scrubbing->status().waiting, "");
}

}  // namespace
}  // namespace tlog::session
