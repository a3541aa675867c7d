// tlogctl and a vdisk with a standby: what people and scripts see, and the exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/standby_text.h"
#include "tests/unit/ctl/tlogctl_fixture.h"
#include "tlog/session/receipt.h"

namespace tlog::plugin {
namespace {

using session::StandbyState;
using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::standby_in_sync;

class TlogctlStandby : public Tlogctl {
 protected:
  void SetUp() override {
    engine.first->set_watermarks({.appended = 10, .durable = 10, .stored = 10, .applied = 10});
    engine.first->set_standby(standby_in_sync(10));
    serve("control.sock");
  }
  void set_state(StandbyState state, const std::string& reason, Sequence synced = 4) {
    session::StandbyStatus standby = standby_in_sync(synced);
    standby.state = state;
    standby.reason = reason;
    engine.first->set_standby(standby);
  }
};

TEST_F(TlogctlStandby, waiting_is_truthful) {
  const CommandResult synced = run({"wait-slave-sync", "vm1"});
  EXPECT_EQ(synced.exit_code, 0) << synced.text();
  EXPECT_EQ(synced.output, "vdisk vm1: the standby has everything up to sequence 10\n");
  EXPECT_THAT(run({"wait-slave-sync", "vm1", "--json"}).output, HasSubstr("\"sequence\": 10"));

  set_state(StandbyState::kCatchingUp, "");
  const CommandResult late = run({"wait-slave-sync", "vm1", "--timeout", "100ms"});
  EXPECT_EQ(late.exit_code, 1);
  EXPECT_EQ(late.output, "");
  EXPECT_THAT(late.error, HasSubstr("has 4 of 10"));

  set_state(StandbyState::kDiverged, "it has what nobody wrote");
  const CommandResult never = run({"wait-slave-sync", "vm1", "--timeout", "1h"});
  EXPECT_EQ(never.exit_code, 1);
  EXPECT_THAT(never.error, HasSubstr("it has what nobody wrote"));
}

TEST_F(TlogctlStandby, over_and_back) {
  const CommandResult home = run({"failback", "vm1"});
  EXPECT_EQ(home.exit_code, 1);
  EXPECT_THAT(home.error, HasSubstr("on its own cluster 'primary' already"));
  EXPECT_TRUE(engine.first->failovers().empty());

  const CommandResult over = run({"failover", "vm1", "--timeout", "3s"});
  EXPECT_EQ(over.exit_code, 0) << over.text();
  EXPECT_THAT(over.output, HasSubstr("vdisk 'vm1' went from cluster 'primary' to 'standby' at "
                                     "sequence 10, 0 acknowledged writes lost\n"));
  EXPECT_THAT(over.output, HasSubstr("\n  held for 12 ms\n  receipt: receipts/1\n"));
  EXPECT_THAT(over.output, HasSubstr("`tlogctl resync vm1`"));
  ASSERT_EQ(engine.first->failovers().size(), 1U);
  EXPECT_EQ(engine.first->failovers()[0].timeout_ns, 3'000'000'000U);
  EXPECT_FALSE(engine.first->failovers()[0].accept_loss);

  const CommandResult early = run({"failback", "vm1"});
  EXPECT_EQ(early.exit_code, 1);
  EXPECT_THAT(early.error, HasSubstr("tlogctl resync vm1"));

  const CommandResult resync = run({"resync", "vm1"});
  EXPECT_EQ(resync.exit_code, 0) << resync.text();
  EXPECT_EQ(resync.output,
            "vdisk vm1: cluster 'primary' is in sync with 'standby' up to sequence 10\n");

  const CommandResult back = run({"failback", "vm1", "--json"});
  EXPECT_EQ(back.exit_code, 0) << back.text();
  const auto receipt = session::parse_receipt(back.output);
  ASSERT_TRUE(receipt) << receipt.error().message();
  EXPECT_EQ(receipt->from, "standby");
  EXPECT_EQ(receipt->to, "primary");
  EXPECT_TRUE(engine.first->failovers().back().keep_following);
}

TEST_F(TlogctlStandby, a_loss_is_only_accepted_by_name_and_named_in_full) {
  session::LostRange lost;
  lost.first_sequence = 5;
  lost.last_sequence = 10;
  lost.first_timestamp = 1'000'000'000;
  for (std::uint64_t i = 0; i < 9; ++i) lost.bytes.emplace_back(i * 8192, 4096);
  engine.first->lose({lost});
  const CommandResult over = run({"failover", "vm1", "--accept-loss"});
  EXPECT_EQ(over.exit_code, 0) << over.text();
  EXPECT_TRUE(engine.first->failovers().back().accept_loss);
  EXPECT_THAT(over.output, HasSubstr("6 acknowledged records lost (sequences 5 to 10)"));
  EXPECT_THAT(over.output, HasSubstr("lost: sequences 5 to 10 (1970-01-01T00:00:01Z to at an "
                                     "unknown time), bytes 0+4096, 8192+4096,"));
  EXPECT_THAT(over.output, HasSubstr("57344+4096, and more: the receipt's file has all\n"));
  EXPECT_THAT(run({"status", "vm1"}).output, HasSubstr("ALARM      writes-lost: "));
}

TEST_F(TlogctlStandby, a_failover_that_is_refused_says_why) {
  set_state(StandbyState::kDiverged, "it has what nobody wrote");
  const CommandResult refused = run({"failover", "vm1"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.output, "");
  EXPECT_THAT(refused.error, HasSubstr("it has what nobody wrote"));
}

TEST_F(TlogctlStandby, what_would_be_discarded_is_told_first) {
  set_state(StandbyState::kDiverged, "it has what nobody wrote");
  const CommandResult refused = run({"resync", "vm1"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.error, HasSubstr("5 to 9 would be discarded"));
  const CommandResult forced = run({"resync", "vm1", "--force", "--json"});
  EXPECT_EQ(forced.exit_code, 0) << forced.text();
  EXPECT_THAT(forced.output, HasSubstr("\"state\": \"in sync\""));
}

TEST_F(TlogctlStandby, a_resync_that_does_not_move_ends) {
  EXPECT_EQ(run({"resync", "vm1", "--no-wait"}).exit_code, 0);
  engine.first->hold_resync();
  ASSERT_EQ(run({"resync", "vm1", "--no-wait"}).output,
            "vdisk vm1: cluster 'standby' is being brought up to date; `tlogctl status` shows how "
            "it goes\n");
  const CommandResult stuck = run({"resync", "vm1", "--timeout", "500ms"});
  EXPECT_EQ(stuck.exit_code, 1);
  EXPECT_THAT(stuck.error, HasSubstr("nothing moves, the standby is catching up at sequence 10"));
}

TEST_F(TlogctlStandby, status_shows_it_to_people_and_programs) {
  session::StandbyStatus standby = standby_in_sync(4);
  standby.lag_records = 6;
  standby.lag_ns = 2'500'000'000;
  standby.failing_ns = 1'000'000'000;
  standby.last_receipt.emplace();
  standby.last_receipt->vdisk = "vm1";
  standby.last_receipt->ended = 86'400'000'000'000;
  standby.servers = {testing::usable_part("redis 10.0.0.9:1")};
  engine.first->set_standby(standby);
  engine.first->set_alarms({"standby-lag: so far"});
  const std::string table = run({"status", "vm1"}).output;
  EXPECT_THAT(table,
              HasSubstr("\n  standby    in sync: 'standby' follows 'primary', has sequence 4 "
                        "(epoch 3, aggregation 7, hash abababababab)\n"));
  EXPECT_THAT(table, HasSubstr("\n  lag        6 records, 2.5 s\n"));
  EXPECT_THAT(table, HasSubstr("\n  failing    'primary' for 1.0 s, failover after 5.0 s\n"));
  EXPECT_THAT(table, HasSubstr("\n  receipt    1970-01-02T00:00:00Z: vdisk 'vm1' went from"));
  EXPECT_THAT(table, HasSubstr("0 acknowledged writes lost\n"));
  EXPECT_THAT(table, HasSubstr("\n  ALARM      active-failing: "));
  EXPECT_THAT(table, HasSubstr("\n  ALARM      standby-lag: so far\n"));
  EXPECT_THAT(table, HasSubstr("\n  standby on "));
  EXPECT_THAT(table, HasSubstr("redis 10.0.0.9:1"));
  const std::string json = run({"status", "vm1", "--json"}).output;
  for (const char* part :
       {"\"state\": \"in sync\"", "\"lagRecords\": 6", "\"lagMs\": 2500", "\"failingMs\": 1000",
        "\"wasComplete\": true", "\"tlogdiskReceipt\": 1", "\"alarms\": ["}) {
    EXPECT_THAT(json, HasSubstr(part));
  }
}

TEST_F(TlogctlStandby, a_vdisk_without_a_standby_is_left_alone) {
  testing::FakeEngine other;
  ControlServer without(other, system_clock(), null_logger());
  ASSERT_TRUE(without.bind(directory.file("control-vm1.sock")).has_value());
  ASSERT_TRUE(without.start().has_value());
  for (const char* command : {"wait-slave-sync", "failover", "failback", "resync"}) {
    EXPECT_EQ(run({command, "vm1"}).exit_code, 1) << command;
  }
  EXPECT_THAT(run({"failback", "vm1"}).error, HasSubstr("slaveStorage"));
  const std::string table = run({"status", "vm1"}).output;
  EXPECT_THAT(table, Not(HasSubstr("standby")));
  EXPECT_THAT(table, Not(HasSubstr("ALARM")));
}

TEST(StandbyText, a_receipt_that_cannot_be_read_says_so) {
  EXPECT_THAT(ctl::receipt_text("{}"), HasSubstr("cannot be read: receipt: "));
  control::StandbyReport standby{.state = "in sync", .receipt = "{}"};
  EXPECT_THAT(ctl::standby_rows(standby), HasSubstr("receipt    cannot be read: "));
}

TEST(StandbyText, each_state_says_who_has_the_vdisk) {
  control::StandbyReport standby{.state = "failed over", .active = "b", .standby = "a"};
  EXPECT_EQ(ctl::standby_rows(standby),
            "  standby    failed over: the vdisk is on 'b', nothing follows it\n");
  standby.reason = "nothing follows";
  EXPECT_EQ(ctl::standby_rows(standby), "  standby    failed over: nothing follows\n");
  standby.reason.clear();
  standby.state = "failing over";
  standby.phase = "wait";
  EXPECT_THAT(ctl::standby_rows(standby), HasSubstr("from 'b' to 'a', phase wait\n"));
  standby = {.state = "off", .reason = "slaveSync is off"};
  EXPECT_EQ(ctl::standby_rows(standby), "  standby    off: slaveSync is off\n");
  standby = {.state = "catching up", .lag_ms = 100};
  EXPECT_THAT(ctl::standby_rows(standby), HasSubstr("0 records, 0.1 s; not complete yet\n"));
}

}  // namespace
}  // namespace tlog::plugin
