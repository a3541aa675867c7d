// Goal: servers may die, and others may ask for something, at any step of a failover. Method: a
// sync point at each step. Whatever comes of the failover, writes go on, nothing is lost, the next
// opening agrees with this one, and when all servers are back both clusters become equal.
#include "tests/fault/standby/two_clusters.h"

namespace tlog::standby {
namespace {

class StandbyMoments : public TwoClusters {
 protected:
  using Action = std::function<void()>;
  static constexpr const char* kSteps[] = {"hold", "wait", "record", "switch", "receipt"};

  EngineRigOptions acting(EngineRigOptions options, std::string step, Action action) {
    options.make_standby = [step = std::move(step),
                            action = std::move(action)](session::StandbyParts parts) {
      parts.on_step = [step, action, is_done = false](std::string_view now) mutable {
        if (now == step && !std::exchange(is_done, true)) action();
      };
      return make_keeper(std::move(parts));
    };
    return options;
  }
  // A failover during which that happens at the step, and all that has to follow.
  void fail_over_while(const char* step, const Action& action, const Action& undo,
                       bool must_succeed) {
    start(acting(options(), step, action));
    write_some(30);
    ASSERT_TRUE(in_sync());
    write_some(5);
    auto receipt = vdisk().fail_over({.timeout_ns = 3 * kSecondNs});
    if (receipt) {
      EXPECT_TRUE(receipt->lost.empty()) << receipt->text();
    } else {
      EXPECT_FALSE(must_succeed) << receipt.error().message();
      EXPECT_THAT(receipt.error().message(), HasSubstr("failover: vdisk 'vm1'"));
    }
    EXPECT_EQ(standby_status().active, receipt ? "standby" : "blocks");
    ASSERT_NO_FATAL_FAILURE(write_some(10));
    undo();
    all_is_well_again();
  }
  void all_is_well_again() {
    // A server that was away is tried again within seconds.
    ASSERT_TRUE(wait_for([&] { return shadow_.difference(vdisk()).empty(); })) << reads_right();
    const std::string active = standby_status().active;
    rig_->stop();
    start(options());
    EXPECT_EQ(standby_status().active, active);
    EXPECT_TRUE(wait_for([&] { return shadow_.difference(vdisk()).empty(); })) << reads_right();
    while (standby_status().active != "blocks") {
      ASSERT_TRUE(in_sync());
      auto back = vdisk().fail_over({.keep_following = true});
      ASSERT_TRUE(back) << back.error().message();
    }
    write_some(10);
    ASSERT_TRUE(settles());
    ASSERT_TRUE(in_sync());
    EXPECT_TRUE(has_all(*primary_));
    EXPECT_TRUE(has_all(*standby_));
    rig_->stop();
  }
};

TEST_F(StandbyMoments, the_standby_dies_at_any_step) {
  for (const char* step : kSteps) {
    SCOPED_TRACE(step);
    ASSERT_NO_FATAL_FAILURE(fail_over_while(
        step, [&] { kill_all(*standby_); }, [&] { start_all(*standby_); }, false));
  }
}

TEST_F(StandbyMoments, the_primary_dies_at_any_step) {
  for (const char* step : kSteps) {
    SCOPED_TRACE(step);
    ASSERT_NO_FATAL_FAILURE(fail_over_while(
        step, [&] { kill_all(*primary_); }, [&] { start_all(*primary_); }, true));
  }
}

TEST_F(StandbyMoments, the_primary_hangs_from_any_step_on) {
  for (const char* step : kSteps) {
    SCOPED_TRACE(step);
    ASSERT_NO_FATAL_FAILURE(fail_over_while(
        step, [&] { pause_all(*primary_); }, [&] { resume_all(*primary_); }, true));
  }
}

TEST_F(StandbyMoments, both_die_at_any_step) {
  for (const char* step : kSteps) {
    SCOPED_TRACE(step);
    const auto kill_both = [&] {
      kill_all(*primary_);
      kill_all(*standby_);
    };
    const auto start_both = [&] {
      start_all(*standby_);
      start_all(*primary_);
    };
    ASSERT_NO_FATAL_FAILURE(fail_over_while(step, kill_both, start_both, false));
  }
}

// One is all that the log bears to lose; its quorum is not there without it.
TEST_F(StandbyMoments, a_server_of_the_log_dies_at_any_step) {
  for (const char* step : kSteps) {
    SCOPED_TRACE(step);
    ASSERT_NO_FATAL_FAILURE(fail_over_while(
        step, [&] { (*log_)[1].kill(); }, [&] { (*log_)[1].start(); }, false));
  }
}

TEST_F(StandbyMoments, a_second_failover_or_a_resync_at_any_step_is_refused) {
  for (const char* step : kSteps) {
    SCOPED_TRACE(step);
    int asked = 0;
    const auto ask = [&] {
      ++asked;
      EXPECT_EQ(standby_status().state, StandbyState::kFailingOver);
      EXPECT_EQ(standby_status().phase, step);
      auto second = vdisk().fail_over({.timeout_ns = kSecondNs});
      ASSERT_FALSE(second);
      EXPECT_THAT(second.error().message(), HasSubstr("under way already"));
      auto resync = vdisk().resync({.force = true});
      ASSERT_FALSE(resync);
      EXPECT_THAT(resync.error().message(), HasSubstr("going over to its standby"));
    };
    ASSERT_NO_FATAL_FAILURE(fail_over_while(
        step, ask, [] {}, true));
    EXPECT_EQ(asked, 1);
  }
}

// The vdisk is closed while it goes over by itself.
TEST_F(StandbyMoments, closed_at_any_step) {
  for (const char* step : kSteps) {
    SCOPED_TRACE(step);
    std::atomic<bool> is_there{false};
    EngineRigOptions automatic = acting(options(), step, [&] { is_there = true; });
    automatic.failover_after_ns = kSecondNs / 2;
    start(automatic);
    write_some(30);
    ASSERT_TRUE(in_sync());
    kill_all(*primary_);
    write_some(5);
    ASSERT_TRUE(wait_for([&] { return is_there.load(); }));
    rig_->stop(2 * kSecondNs);
    start_all(*primary_);
    start(options());
    ASSERT_NO_FATAL_FAILURE(all_is_well_again());
  }
}

}  // namespace
}  // namespace tlog::standby
