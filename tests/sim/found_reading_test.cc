// Goal: what the simulation has found of the reading of a log does not come back: the end is never
// put before what was acknowledged, whatever the stores do while they are asked.
// Method: the same faults, step by step, on simulated servers.
#include <gtest/gtest.h>

#include "tests/sim/steps.h"

namespace tlog::sim {
namespace {

// 4+2, five aggregations on all servers, and nobody who writes.
void write_five(Steps& steps) {
  steps.create();
  SimProcess& first = steps.new_process();
  steps.open(first);
  steps.append(5);
  ASSERT_TRUE(steps.all_stored(5));
  steps.die(first);
}

// In the metadata of all servers; where it is set, what this one has not is not believed.
void say_it_is_being_filled(Steps& steps, std::size_t server) {
  const auto bytes = steps.network[0].value(steps.metadata_key());
  ASSERT_TRUE(bytes);
  auto metadata = format::decode_metadata(bytes_of(std::string_view(*bytes)));
  ASSERT_TRUE(metadata) << metadata.error().message();
  ++metadata->generation;
  metadata->servers[server].rebuilding = true;
  const Buffer changed = format::encode_metadata(*metadata);
  const std::string text(reinterpret_cast<const char*>(changed.span().data()), changed.size());
  for (std::size_t i = 0; i < steps.network.size(); ++i) {
    steps.network[i].overwrite(steps.metadata_key(), text);
  }
}

// A server that was emptied some time ago has all that was put since. As long as it has not
// answered it is not one that has lost something.
TEST(SimulationFound, a_server_that_is_being_filled_may_have_the_newest) {
  Steps steps(4, 2);
  steps.run([&] {
    write_five(steps);
    say_it_is_being_filled(steps, 4);
    steps.network[0].remove(steps.newest_key());  // it never came there: five have confirmed it
    steps.restart_without_newest(steps.network[5]);
    steps.network[4].set_latency({.least_ns = 5 * kMillisecond, .most_ns = 30 * kMillisecond});

    SimProcess& second = steps.new_process();
    auto reader = steps.read(second);
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_EQ((*reader)->head().number, 5U);
    second.end();
  });
}

// It answers, and has not got it again yet: then it is the one that has lost it.
TEST(SimulationFound, a_server_that_is_being_filled_has_lost_what_it_does_not_have) {
  Steps steps(4, 2);
  steps.run([&] {
    write_five(steps);
    say_it_is_being_filled(steps, 4);
    for (std::size_t i : {0U, 4U, 5U}) steps.network[i].remove(steps.newest_key());

    SimProcess& second = steps.new_process();
    auto reader = steps.read(second);
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_EQ((*reader)->head().number, 4U) << "on three of six it was not committed";
    second.end();
  });
}

// Two servers have lost the newest, and get it again; only then a third one is emptied. At each
// moment four have it. Who asked the two before that and the third one behind it has seen three.
TEST(SimulationFound, shards_that_come_and_go_while_they_are_counted) {
  Steps steps(4, 2);
  steps.run([&] {
    write_five(steps);
    const std::string key = steps.newest_key();
    SimServer& late = steps.network[2];
    std::string shards[2];
    for (std::size_t i : {0U, 1U}) {
      shards[i] = *steps.network[i].value(key);
      steps.restart_without_newest(steps.network[i]);
    }
    late.cut_off(true);
    steps.world.after(kSecond, [&] {
      for (std::size_t i : {0U, 1U}) steps.network[i].overwrite(key, shards[i]);
      late.cut_off(false);
      late.flush_all();
    });
    SimProcess& second = steps.new_process();
    auto reader = steps.read(second);
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_EQ((*reader)->head().number, 5U);
    second.end();
  });
}

// A writer fills an emptied server, and only then another one restarts without its newest. Who has
// found the first one wiped remembers that for a while: it may have the newest all the same.
TEST(SimulationFound, a_server_that_was_found_wiped_may_have_been_filled_since) {
  Steps steps(4, 2);
  steps.run([&] {
    write_five(steps);
    const SimServer::Contents whole = steps.network[4].contents();
    steps.network[4].flush_all();
    SimProcess& second = steps.new_process();
    auto early = steps.read(second);
    ASSERT_TRUE(early) << early.error().message();
    ASSERT_EQ((*early)->head().number, 5U);
    ASSERT_EQ(second.stores()[4]->status().state, store::StoreState::kWiped);

    steps.network[4].set_contents(whole);
    steps.network[0].remove(steps.newest_key());  // it never came there: five have confirmed it
    steps.restart_without_newest(steps.network[5]);
    auto reader = steps.read(second);
    if (reader) {
      EXPECT_EQ((*reader)->head().number, 5U);
    } else {
      EXPECT_EQ(reader.error().code(), Code::kUnavailable) << reader.error().message();
    }
    second.end();
  });
}

// A tail that was never committed and stays as it is: two looks are enough.
TEST(SimulationFound, a_tail_that_was_not_committed_ends_the_log) {
  Steps steps(4, 2);
  steps.run([&] {
    write_five(steps);
    for (std::size_t i : {0U, 1U, 2U}) steps.network[i].remove(steps.newest_key());
    SimProcess& second = steps.new_process();
    auto reader = steps.read(second);
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_EQ((*reader)->head().number, 4U);
    second.end();
  });
}

}  // namespace
}  // namespace tlog::sim
