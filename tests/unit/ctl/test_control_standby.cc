// The standby over the control socket: waits that are truthful and end, failovers that say what
// they did, and alarms for what somebody has to look after.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/support/process.h"
#include "tests/unit/ctl/control_server_fixture.h"
#include "tlog/session/receipt.h"

namespace tlog::plugin {
namespace {

using control::Command;
using session::StandbyState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Milliseconds;
using testing::standby_in_sync;

class ControlStandby : public ControlServerTest {
 protected:
  // A vdisk with everything stored up to `appended`, and a standby that has `synced` of it.
  void begin(Sequence appended, Sequence synced) {
    engine.first->set_watermarks({.appended = appended, .durable = appended, .stored = appended});
    engine.first->set_standby(standby_in_sync(synced));
    start();
  }
  std::future<Result<control::Reply>> ask_aside(control::Request request) {
    return std::async(std::launch::async, [this, request] { return ask(request); });
  }
  control::VdiskReport report() {
    auto reply = ask({.command = Command::kStatus, .vdisk = "vm1"});
    EXPECT_TRUE(reply.has_value()) << reply.error().message();
    return reply ? reply->vdisks.at(0) : control::VdiskReport{};
  }
  std::vector<std::string> alarms_of(const session::StandbyStatus& standby) {
    engine.first->set_standby(standby);
    return report().alarms;
  }
};

TEST_F(ControlStandby, a_wait_ends_when_what_was_there_at_its_beginning_is_synced) {
  begin(10, 4);
  auto wait = ask_aside({.command = Command::kWaitSlaveSync, .vdisk = "vm1"});
  ASSERT_TRUE(testing::wait_until([&] { return engine.first->syncs_waiting() > 0; },
                                  Milliseconds(kLongMs)));
  // The writer goes on, and the standby never catches up with it.
  engine.first->set_watermarks({.appended = 1'000, .stored = 1'000});
  engine.first->set_standby(standby_in_sync(10));
  const auto reply = wait.get();
  ASSERT_TRUE(reply.has_value()) << reply.error().message();
  EXPECT_EQ(reply->sequence, 10u);
}

// What the engine says counts, not what a status shows: the standby may have lost it since.
TEST_F(ControlStandby, a_wait_that_takes_too_long_says_what_the_engine_says) {
  begin(10, 4);
  const auto reply = ask({.command = Command::kWaitSlaveSync, .vdisk = "vm1", .timeout_ms = 100});
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code(), Code::kTimeout);
  EXPECT_THAT(reply.error().message(), HasSubstr("has 4 of 10"));
}

TEST_F(ControlStandby, a_wait_ends_at_once_when_there_is_nothing_to_wait_for) {
  begin(10, 4);
  session::StandbyStatus standby = standby_in_sync(4);
  standby.state = StandbyState::kDiverged;
  standby.reason = "diverged at 3";
  engine.first->set_standby(standby);
  const auto reply = ask({.command = Command::kWaitSlaveSync, .vdisk = "vm1"});
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code(), Code::kUnavailable);
  EXPECT_THAT(reply.error().message(), HasSubstr("diverged at 3"));
}

TEST_F(ControlStandby, waits_end_when_the_server_stops) {
  begin(10, 4);
  engine.first->hold_failover(true);
  auto wait = ask_aside({.command = Command::kWaitSlaveSync, .vdisk = "vm1"});
  auto failover = ask_aside({.command = Command::kFailover, .vdisk = "vm1"});
  ASSERT_TRUE(testing::wait_until(
      [&] { return engine.first->syncs_waiting() > 0 && engine.first->failovers_waiting() > 0; },
      Milliseconds(kLongMs)));
  engine.stop_waiting();
  server->stop();
  EXPECT_FALSE(wait.get().has_value());
  EXPECT_FALSE(failover.get().has_value());
}

TEST_F(ControlStandby, a_failover_does_what_is_asked_and_answers_its_receipt) {
  begin(10, 10);
  const auto reply = ask(
      {.command = Command::kFailover, .vdisk = "vm1", .timeout_ms = 1'234, .accept_loss = true});
  ASSERT_TRUE(reply.has_value()) << reply.error().message();
  const auto receipt = session::parse_receipt(reply->receipt);
  ASSERT_TRUE(receipt.has_value()) << receipt.error().message();
  EXPECT_EQ(receipt->from, "primary");
  EXPECT_EQ(receipt->to, "standby");
  EXPECT_EQ(receipt->standby.sequence, 10u);
  EXPECT_EQ(receipt->standby.hash, standby_in_sync(10).synced.hash);
  ASSERT_EQ(engine.first->failovers().size(), 1u);
  EXPECT_EQ(engine.first->failovers()[0].timeout_ns, 1'234'000'000u);
  EXPECT_TRUE(engine.first->failovers()[0].accept_loss);
  EXPECT_FALSE(engine.first->failovers()[0].keep_following);
}

TEST_F(ControlStandby, a_failback_needs_somebody_who_follows) {
  begin(10, 10);
  ASSERT_TRUE(ask({.command = Command::kFailover, .vdisk = "vm1"}).has_value());
  const control::Request failback{
      .command = Command::kFailover, .vdisk = "vm1", .keep_following = true};
  const auto refused = ask(failback);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("tlogctl resync vm1"));
  EXPECT_EQ(engine.first->failovers().size(), 1u);

  ASSERT_TRUE(ask({.command = Command::kResync, .vdisk = "vm1"}).has_value());
  EXPECT_TRUE(testing::wait_until([&] { return report().standby->state == "in sync"; },
                                  Milliseconds(kLongMs)));
  ASSERT_TRUE(ask(failback).has_value());
  EXPECT_TRUE(engine.first->failovers().back().keep_following);
  EXPECT_EQ(report().standby->active, "primary");
}

TEST_F(ControlStandby, a_resync_that_would_discard_something_wants_force) {
  begin(10, 4);
  session::StandbyStatus standby = standby_in_sync(9);
  standby.state = StandbyState::kDiverged;
  engine.first->set_standby(standby);
  const auto refused = ask({.command = Command::kResync, .vdisk = "vm1"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("5 to 9 would be discarded"));
  const auto forced = ask({.command = Command::kResync, .vdisk = "vm1", .force = true});
  ASSERT_TRUE(forced.has_value()) << forced.error().message();
  EXPECT_EQ(forced->vdisks.at(0).standby->state, "catching up");
}

TEST_F(ControlStandby, status_tells_all_of_it) {
  begin(10, 4);
  session::StandbyStatus standby = standby_in_sync(4);
  standby.state = StandbyState::kFailingOver;
  standby.phase = "wait";
  standby.lag_records = 6;
  standby.lag_ns = 1'500'000'000;
  standby.applied_bytes = 77;
  standby.failing_ns = 6'000'000'000;
  standby.servers = {testing::usable_part("redis a", 3, 9)};
  engine.first->set_standby(standby);
  const control::StandbyReport told = *report().standby;
  EXPECT_EQ(told.state, "failing over");
  EXPECT_EQ(told.primary, "primary");
  EXPECT_EQ(told.active, "primary");
  EXPECT_EQ(told.standby, "standby");
  EXPECT_EQ(told.phase, "wait");
  EXPECT_TRUE(told.was_complete);
  EXPECT_EQ(told.synced.epoch, 3u);
  EXPECT_EQ(told.synced.sequence, 4u);
  EXPECT_EQ(told.synced.aggregation, 7u);
  EXPECT_EQ(told.synced.hash, standby.synced.hash.hex());
  EXPECT_EQ(told.lag_records, 6u);
  EXPECT_EQ(told.lag_ms, 1'500u);
  EXPECT_EQ(told.applied_bytes, 77u);
  EXPECT_EQ(told.failing_ms, 6'000u);
  EXPECT_EQ(told.failover_after_ms, 5'000u);
  ASSERT_EQ(told.servers.size(), 1u);
  EXPECT_EQ(told.servers[0].wanted, 9u);
  EXPECT_EQ(told.receipt, "");
}

// Each alarm comes with its cause, and not without it.
TEST_F(ControlStandby, alarms_say_what_somebody_has_to_look_after) {
  begin(10, 10);
  const session::StandbyStatus well = standby_in_sync(10);
  EXPECT_THAT(alarms_of(well), IsEmpty());

  session::StandbyStatus failing = well;
  failing.failing_ns = 1'200'000'000;
  EXPECT_THAT(alarms_of(failing),
              ElementsAre("active-failing: cluster 'primary' for 1.2 s; the vdisk goes over to "
                          "'standby' after 5.0 s"));
  failing.failing_ns = 9'000'000'000;
  failing.reason = "it was never complete";
  EXPECT_THAT(alarms_of(failing),
              ElementsAre(HasSubstr("cannot go over to 'standby': it was never complete")));
  failing.failover_after_ns = 0;
  EXPECT_THAT(alarms_of(failing), ElementsAre(HasSubstr("tlogctl failover")));
  failing.state = StandbyState::kFailingOver;
  EXPECT_THAT(alarms_of(failing), IsEmpty());

  session::StandbyStatus trouble = well;
  trouble.reason = "why";
  trouble.state = StandbyState::kDiverged;
  EXPECT_THAT(alarms_of(trouble), ElementsAre("standby-diverged: cluster 'standby': why"));
  trouble.state = StandbyState::kWaiting;
  EXPECT_THAT(alarms_of(trouble), ElementsAre("standby-waiting: cluster 'standby': why"));
  trouble.state = StandbyState::kFailedOver;
  EXPECT_THAT(alarms_of(trouble), ElementsAre(HasSubstr("no-standby: nothing follows 'primary'")));
  trouble.state = StandbyState::kOff;
  EXPECT_THAT(alarms_of(trouble), IsEmpty());

  // Which promises are broken the engine knows.
  engine.first->set_alarms({"standby-lag: so far"});
  EXPECT_THAT(alarms_of(well), ElementsAre("standby-lag: so far"));
  engine.first->set_alarms({});

  session::StandbyStatus lossy = well;
  lossy.last_receipt.emplace();
  EXPECT_THAT(alarms_of(lossy), IsEmpty());
  lossy.last_receipt->lost.emplace_back().first_sequence = 5;
  lossy.last_receipt->lost.back().last_sequence = 6;
  EXPECT_THAT(alarms_of(lossy), ElementsAre(HasSubstr("2 acknowledged records lost")));
}

}  // namespace
}  // namespace tlog::plugin
