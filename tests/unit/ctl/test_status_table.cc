// What people read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/status_table.h"

namespace tlog::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(StatusTable, bytes_are_short) {
  EXPECT_EQ(human_bytes(0), "0B");
  EXPECT_EQ(human_bytes(1023), "1023B");
  EXPECT_EQ(human_bytes(1536), "1.5KiB");
  EXPECT_EQ(human_bytes(kMiB - 1), "1.0MiB");
  EXPECT_EQ(human_bytes(10 * kGiB), "10.0GiB");
  EXPECT_EQ(human_bytes(~std::uint64_t{0}), "16.0EiB");
}

control::VdiskReport sample() {
  control::VdiskReport vdisk;
  vdisk.name = "vm1";
  vdisk.state = "serving";
  vdisk.size = 10 * kGiB;
  vdisk.epoch = 3;
  vdisk.appended = 400;
  vdisk.durable = 300;
  vdisk.stored = 200;
  vdisk.applied = 100;
  vdisk.journal_bytes_used = 256 * kMiB;
  vdisk.journal_bytes_total = kGiB;
  vdisk.writes = 50;
  vdisk.write_bytes = 50 * 4096;
  vdisk.stores = {{"directory log/0", true, "up", kMiB, 0, 0, 0},
                  {"redis 127.0.0.1:1@0", false, "", 0, 0, 9, 0}};
  return vdisk;
}

TEST(StatusTable, names_the_watermarks_as_the_documents_do) {
  control::VdiskReport vdisk = sample();
  std::string table = status_table({&vdisk, 1}, {});
  EXPECT_THAT(table, HasSubstr("vdisk vm1: serving, 10.0GiB, epoch 3"));
  EXPECT_THAT(
      table,
      HasSubstr("\n  appended   400\n  durable    300\n  stored     200\n  applied    100\n"));
  EXPECT_THAT(table, HasSubstr("\n  journal    256.0MiB of 1.0GiB (25%)\n"));
  EXPECT_THAT(table, HasSubstr("\n  writes     50, 200.0KiB\n"));
  EXPECT_THAT(table, HasSubstr("\n  directory log/0      up "));
  EXPECT_THAT(table, HasSubstr("\n  redis 127.0.0.1:1@0  down "));
  EXPECT_THAT(table, Not(HasSubstr("/s")));
}

TEST(StatusTable, rates_are_of_the_time_between_two_looks) {
  control::VdiskReport before = sample();
  control::VdiskReport now = sample();
  now.appended += 1000;
  now.writes += 1000;
  now.write_bytes += 1000 * 4096;
  now.reads = 0;
  before.reads = 5;  // the server was started anew
  std::string table = status_table({&now, 3'000'000'000}, {&before, 1'000'000'000});
  EXPECT_THAT(table, HasSubstr("\n  appended   1400; 500/s\n"));
  EXPECT_THAT(table, HasSubstr("; 500/s, 2.0MiB/s\n"));
  EXPECT_THAT(table, HasSubstr("\n  reads      0, 0B; 0/s, 0B/s\n"));
}

TEST(StatusTable, a_store_that_is_not_well_says_why_and_what_to_do) {
  control::VdiskReport vdisk = sample();
  vdisk.stores[0].state = "up";
  vdisk.stores[0].warning = "no persistence: set appendonly yes";
  vdisk.stores[1].state = "read-only";
  vdisk.stores[1].condition = "read-only: it is a replica; give the address of the primary";
  std::string table = status_table({&vdisk, 1}, {});
  EXPECT_THAT(table, HasSubstr("\n  redis 127.0.0.1:1@0  read-only  "));
  EXPECT_THAT(table,
              HasSubstr("\n    read-only: it is a replica; give the address of the primary\n"));
  EXPECT_THAT(table, HasSubstr("\n    warning: no persistence: set appendonly yes\n"));
  EXPECT_THAT(table, Not(HasSubstr("\n    up\n")));
}

TEST(StatusTable, says_how_far_each_tlogserver_has_come) {
  control::VdiskReport vdisk = sample();
  vdisk.stores.clear();
  vdisk.log_servers = {
      {.address = "10.0.0.1:11211", .state = "sending", .sent = 400, .stored = 200},
      {.address = "h:1", .state = "connecting", .reason = "it does not answer"}};
  const std::string text = status_table({&vdisk, 0}, {});
  EXPECT_THAT(text,
              HasSubstr("10.0.0.1:11211  sending              400             0           200"));
  EXPECT_THAT(text, HasSubstr("h:1             connecting"));
  EXPECT_THAT(text, HasSubstr("    it does not answer\n"));
  EXPECT_THAT(text, Not(HasSubstr("aggregations committed"))) << "that is the servers' business";
  vdisk.log_servers[1].stripe = "1 of 2";
  EXPECT_THAT(status_table({&vdisk, 0}, {}), HasSubstr("h:1 (stripe 1 of 2)  connecting"));
}

TEST(StatusTable, scrubs_in_the_background_say_how_they_go_and_when_they_come) {
  control::VdiskReport vdisk = sample();
  EXPECT_THAT(status_table({&vdisk, 1}, {}), Not(HasSubstr("scrub"))) << "an older server";
  constexpr std::uint64_t kDay = 86'400'000'000'000;
  vdisk.light_scrub = {.next_ns = 2 * kDay,
                       .finished_ns = kDay,
                       .finished_missing = 3,
                       .finished_unreachable = 5,
                       .finished_mended = 2};
  vdisk.deep_scrub = {.running = true, .began_ns = kDay, .done = 7, .last = 90, .wrong = 1};
  std::string table = status_table({&vdisk, 1}, {});
  EXPECT_THAT(table,
              HasSubstr("\n  lightscrub next 1970-01-03T00:00:00Z; last 1970-01-02T00:00:00Z: 3 "
                        "missing, 0 wrong, 2 mended, 5 not reachable\n"));
  EXPECT_THAT(table,
              HasSubstr("\n  deepscrub  running since 1970-01-02T00:00:00Z, aggregation 7 of "
                        "90, 0 missing, 1 wrong, 0 mended, 0 not reachable\n"));
  vdisk.deep_scrub.running = false;
  vdisk.deep_scrub.last = 0;
  vdisk.background_scrub_waiting = "wait";
  table = status_table({&vdisk, 1}, {});
  EXPECT_THAT(table, HasSubstr("\n  deepscrub  interrupted since 1970-01-02T00:00:00Z, aggregation "
                               "7, 0 missing"));
  EXPECT_THAT(table, HasSubstr("\n    scrubs in the background: wait\n"));
}

TEST(StatusTable, a_closed_vdisk_has_no_numbers) {
  control::VdiskReport vdisk;
  vdisk.name = "vm2";
  vdisk.state = "closed";
  vdisk.reason = "nobody came";
  EXPECT_EQ(status_table({&vdisk, 1}, {}), "vdisk vm2: closed, 0B\n  nobody came\n");
}

TEST(StatusTable, a_lease_says_who_has_it_and_for_how_long) {
  control::VdiskReport vdisk = sample();
  EXPECT_THAT(status_table({&vdisk, 1}, {}), Not(HasSubstr("lease")));
  vdisk.lease = "held";
  vdisk.lease_holder = "host-a";
  vdisk.lease_ends_in_ms = 7400;
  EXPECT_THAT(status_table({&vdisk, 1}, {}),
              HasSubstr("\n  lease      held, host host-a, ends in 7.4 s unless it is renewed\n"));
  vdisk.state = "standby";
  vdisk.lease = "standby";
  vdisk.reason = vdisk.lease_reason = "is served by host host-a";
  const std::string table = status_table({&vdisk, 1}, {});
  EXPECT_THAT(table, HasSubstr(": standby, "));
  EXPECT_THAT(table, HasSubstr("unless it is renewed: is served by host host-a\n"));
  EXPECT_THAT(table, Not(HasSubstr("appended"))) << "its numbers are the other host's";
}

}  // namespace
}  // namespace tlog::ctl
