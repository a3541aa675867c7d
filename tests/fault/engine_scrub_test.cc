// Goal: what a server has lost or let rot without anybody noticing is found and mended by itself
// while the vdisk is served, also across restarts of the vdisk. Method: the whole engine on six
// real servers, of which the test removes and changes keys, and a clock that it sets forward.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/fault/engine_on_servers.h"
#include "tests/support/test_clock.h"
#include "tlog/session/scrub_plan.h"

namespace tlog::session {
namespace {

using tlog::testing::EngineRig;
using tlog::testing::EngineRigOptions;
using tlog::testing::TestClock;

constexpr std::uint64_t kDay = 86'400'000'000'000;

class EngineScrub : public EngineOnServers {
 protected:
  EngineRigOptions scrubbed(std::uint64_t rate = 0) {
    EngineRigOptions scrubbed = options();
    scrubbed.clock = &clock_;
    scrubbed.scrub_rate = rate;
    return scrubbed;
  }
  void write_some(EngineRig& rig) {
    // Each flush closes an aggregation; without them a quick machine makes two of it all.
    for (unsigned i = 0; i < 12; ++i) ASSERT_TRUE(steps(rig, 25));
    ASSERT_TRUE(rig.vdisk().flush_to_stores(30'000'000'000));
    ASSERT_TRUE(is_whole(rig));
  }
  std::string key_on(std::size_t index, AggregationNumber number) {
    const std::string keys =
        server(index).command({"KEYS", fmt::format("tlog:vm1:*:{:016x}", number)});
    return keys.substr(0, keys.find(' '));
  }
  // Once the vdisk has looked at the clock, and counts from then on.
  void a_week_passes_on(EngineRig& rig) {
    ASSERT_TRUE(wait_for([&] { return schedule(rig).deep.next != 0; }));
    clock_.set_forward(8 * kDay);
  }
  static ScrubSchedule schedule(EngineRig& rig) { return rig.vdisk().status().scrubs; }
  void expect_deep_clean(EngineRig& rig) {
    const std::uint64_t runs = rig.vdisk().status().log.scrub.runs;
    ASSERT_TRUE(rig.vdisk().scrub({.deep = true, .bytes_per_second = 0}));
    ASSERT_TRUE(wait_for([&] { return rig.vdisk().status().log.scrub.complete; }));
    const flush::ScrubStatus clean = rig.vdisk().status().log.scrub;
    EXPECT_EQ(clean.runs, runs + 1);
    EXPECT_EQ(clean.missing + clean.wrong + clean.unreachable, 0u) << clean.first_finding;
  }

  TestClock clock_{TestClock::Kind::kRuns};
};

TEST_F(EngineScrub, a_lost_and_a_rotten_shard_are_mended_by_themselves) {
  EngineRig rig(scrubbed());
  rig.start();
  write_some(rig);
  const std::string lost = key_on(3, 2);
  const std::string rotten = key_on(1, 4);
  ASSERT_NE(lost, "");
  ASSERT_NE(rotten, "");
  const std::string was_lost = server(3).command({"GET", lost});
  const std::string was_rotten = server(1).command({"GET", rotten});
  ASSERT_EQ(server(3).command({"DEL", lost}), "1");
  server(1).command({"SETRANGE", rotten, "200", "rot"});
  ASSERT_NE(server(1).command({"GET", rotten}), was_rotten);
  EXPECT_EQ(schedule(rig).light.finished, 0u);
  a_week_passes_on(rig);
  ASSERT_TRUE(wait_for([&] { return schedule(rig).deep.finished != 0; }));
  ASSERT_TRUE(wait_for([&] {
    return schedule(rig).light.result.mended == 1 && schedule(rig).deep.result.mended == 1;
  }));
  EXPECT_EQ(schedule(rig).light.result, (flush::ScrubFound{.missing = 1, .mended = 1}));
  EXPECT_EQ(schedule(rig).deep.result, (flush::ScrubFound{.wrong = 1, .mended = 1}));
  EXPECT_EQ(server(3).command({"GET", lost}), was_lost);
  EXPECT_EQ(server(1).command({"GET", rotten}), was_rotten);
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
  expect_deep_clean(rig);
}

TEST_F(EngineScrub, it_goes_on_where_it_was_when_the_vdisk_is_opened_again) {
  AggregationNumber done = 0;
  {
    EngineRig rig(scrubbed(256 * kKiB));
    rig.start();
    write_some(rig);
    a_week_passes_on(rig);
    ASSERT_TRUE(wait_for([&] { return schedule(rig).deep.done >= 2; }));
    ASSERT_EQ(schedule(rig).deep.finished, 0u);
    done = schedule(rig).deep.done;
    rig.stop();
  }
  tlog::testing::KeepingLogger logger;
  EngineRig rig(scrubbed(), io::system_files(), logger);
  rig.start();
  ASSERT_TRUE(wait_for([&] { return schedule(rig).deep.done >= done; })) << "it is remembered";
  clock_.set_forward(ScrubPlan::kSpreadMaxNs);
  ASSERT_TRUE(wait_for([&] { return schedule(rig).deep.finished != 0; }));
  EXPECT_FALSE(logger.has("deep=true repair=true background=true first=1 ")) << "begun anew";
  EXPECT_TRUE(logger.has("deep=true repair=true background=true first="));
  const flush::ScrubStatus scrub = rig.vdisk().status().log.deep_scrub;
  EXPECT_LE(scrub.checked, 6 * (scrub.last - done));
  EXPECT_GT(scrub.checked, 0u);
}

TEST_F(EngineScrub, a_changed_configuration_counts_at_once) {
  EngineRig rig(scrubbed(256 * kKiB));
  rig.start();
  write_some(rig);
  a_week_passes_on(rig);
  ASSERT_TRUE(wait_for([&] { return schedule(rig).deep.running; }));
  config::Config wanted = rig.configuration();
  wanted.vdisks[0].tlog.scrub_every_ns = 0;
  wanted.vdisks[0].tlog.scrub_deep_every_ns = 0;
  ASSERT_TRUE(rig.engine().reconfigure(wanted).empty());
  ASSERT_TRUE(wait_for([&] { return !schedule(rig).deep.running; }));
  EXPECT_EQ(schedule(rig).deep.next, 0u);
  EXPECT_EQ(schedule(rig).light.next, 0u);
  EXPECT_EQ(schedule(rig).deep.finished, 0u);
  wanted.vdisks[0].tlog.scrub_deep_every_ns = kDay;
  wanted.vdisks[0].tlog.scrub_rate = 0;
  ASSERT_TRUE(rig.engine().reconfigure(wanted).empty());
  ASSERT_TRUE(wait_for([&] { return schedule(rig).deep.finished != 0; }));
  EXPECT_GT(schedule(rig).deep.next, schedule(rig).deep.finished);
  EXPECT_EQ(schedule(rig).light.next, 0u);
}

TEST_F(EngineScrub, a_damaged_file_is_no_reason_not_to_serve) {
  {
    EngineRig rig(scrubbed());
    rig.start();
    write_some(rig);
    a_week_passes_on(rig);
    ASSERT_TRUE(wait_for([&] { return schedule(rig).deep.finished != 0; }));
    rig.stop();
  }
  tlog::testing::write_text(directory_.file("journal/vm1/scrub"), std::string(9000, 'x'));
  tlog::testing::KeepingLogger logger;
  EngineRig rig(scrubbed(), io::system_files(), logger);
  rig.start();
  EXPECT_EQ(shadow_.difference(rig.vdisk()), "");
  ASSERT_TRUE(wait_for([&] { return logger.has("event=scrub_file_unusable"); }));
  a_week_passes_on(rig);
  EXPECT_TRUE(wait_for([&] { return schedule(rig).deep.finished != 0; }));
}

}  // namespace
}  // namespace tlog::session
