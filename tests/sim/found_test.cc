// Goal: what the simulation has found once does not come back.
// Method: the same faults, step by step, on simulated servers.
#include <gtest/gtest.h>

#include "tests/sim/steps.h"

namespace tlog::sim {
namespace {

// One server has lost its newest in a restart, another is away: that is within the contract, so
// that the end of the log must not be put before what was acknowledged.
TEST(SimulationFound, a_restarted_server_proves_no_end) {
  Steps steps(2, 1);
  steps.run([&] {
    steps.create();
    SimProcess& first = steps.new_process();
    steps.open(first);
    steps.append(5);
    ASSERT_TRUE(steps.wait([&] { return steps.acknowledged == 5; }));
    first.die();
    steps.writer.reset();
    first.end();

    steps.restart_without_newest(steps.network[0]);
    steps.network[1].cut_off(true);
    SimProcess& second = steps.new_process();
    auto early = steps.read(second);
    ASSERT_FALSE(early) << "the log is said to end at " << (*early)->head().number;
    EXPECT_EQ(early.error().code(), Code::kUnavailable) << early.error().message();

    steps.network[1].cut_off(false);
    ASSERT_TRUE(steps.wait([&] {
      auto later = steps.read(second);
      return later && (*later)->head().number == 5;
    }));
    second.end();
  });
}

// A server could not be closed: what it says is absent may still be on its way to it, and count
// there for the earlier writer. That is no loss: another server may have lost its newest all the
// same.
TEST(SimulationFound, a_server_that_was_not_closed_is_not_the_one_that_lost_something) {
  Steps steps(4, 2);
  steps.run([&] {
    steps.create();
    SimProcess& first = steps.new_process();
    steps.open(first);
    steps.append(5);
    ASSERT_TRUE(steps.wait(
        [&] { return steps.acknowledged == 5 && steps.writer->status().missing_shards == 0; }));
    // The sixth: on four servers, on its way to the last, and never sent to the one before that.
    SimServer& late = steps.network[5];
    steps.network[4].kill(false);
    late.set_latency({.least_ns = 3600 * kSecond, .most_ns = 3600 * kSecond});
    steps.append(1);
    steps.world.sleep(kSecond);
    ASSERT_EQ(steps.acknowledged, 5U) << "on four of five";
    ASSERT_TRUE(steps.network[0].value(steps.newest_key()));
    first.die();
    steps.writer.reset();
    first.end();

    late.set_latency({});
    late.cut_off(true);
    steps.network[4].start();
    steps.restart_without_newest(steps.network[0]);
    SimProcess& second = steps.new_process();
    const std::vector<bool> not_fenced = steps.fence(second);
    ASSERT_EQ(not_fenced, std::vector<bool>({false, false, false, false, false, true}));
    late.cut_off(false);
    ASSERT_TRUE(steps.wait([&] { return second.stores()[5]->status().usable; }));
    ASSERT_FALSE(late.value(steps.newest_key())) << "it is on its way";
    auto early = steps.read(second, not_fenced);
    ASSERT_FALSE(early) << "the log is said to end at " << (*early)->head().number;
    EXPECT_EQ(early.error().code(), Code::kUnavailable) << early.error().message();
    EXPECT_NE(early.error().message().find("was not closed"), std::string::npos)
        << early.error().message();

    // Once it is closed nothing can count there any more: one loss alone does not make it five.
    auto later = steps.read(second, steps.fence(second));
    ASSERT_TRUE(later) << later.error().message();
    EXPECT_EQ((*later)->head().number, 5U);
    second.end();
  });
}

// A server was emptied and is used again. Until that is in the metadata nobody else would believe
// it, so that what it confirms must not count.
TEST(SimulationFound, a_server_used_again_counts_when_it_is_recorded) {
  Steps steps(4, 2);
  steps.run([&] {
    steps.create();
    SimProcess& first = steps.new_process();
    steps.open(first);
    steps.writer.reset();
    first.end();
    // In the second epoch: a new mark is another one than that of the first.
    SimProcess& process = steps.new_process();
    steps.open(process);
    steps.append(3);
    ASSERT_TRUE(steps.wait(
        [&] { return steps.acknowledged == 3 && steps.writer->status().missing_shards == 0; }));

    steps.network[4].stop(true);
    steps.network[5].cut_off(true);
    steps.append(1);
    steps.world.sleep(kSecond);
    ASSERT_EQ(steps.acknowledged, 3U) << "on four of five";
    steps.network[0].cut_off(true);  // it has the fourth, and will not take new metadata
    steps.network[4].flush_all();
    steps.network[4].stop(false);
    steps.world.sleep(20 * kSecond);  // time enough for all that could come
    EXPECT_EQ(steps.acknowledged, 3U);

    steps.network[0].cut_off(false);
    EXPECT_TRUE(steps.wait([&] { return steps.acknowledged == 4; }));
    steps.network[5].cut_off(false);
    EXPECT_TRUE(steps.wait([&] { return steps.writer->status().missing_shards == 0; }));
    steps.writer.reset();
    process.end();
  });
}

// Who reads the log with the writer's stores may have metadata that is a generation behind: a
// server that was emptied and is whole again is not wiped because of that when it is connected to
// anew.
TEST(SimulationFound, a_reader_beside_the_writer_sets_nothing_back) {
  Steps steps(4, 2);
  steps.run([&] {
    steps.create();
    SimProcess& process = steps.new_process();
    steps.open(process);
    steps.append(3);
    ASSERT_TRUE(steps.all_stored(3));
    const Epoch before = steps.since(process, 4);
    ASSERT_NE(before, 0U);
    const std::optional<std::string> behind = steps.network[0].value(steps.metadata_key());
    ASSERT_TRUE(behind);

    steps.network[4].flush_all();
    steps.append(1);
    ASSERT_TRUE(steps.wait([&] {
      const Epoch now = steps.since(process, 4);
      return now != 0 && now != before;
    }));
    ASSERT_TRUE(steps.all_stored(4));
    const Epoch marked = steps.since(process, 4);
    for (std::size_t i = 0; i < 6; ++i) steps.network[i].overwrite(steps.metadata_key(), *behind);
    auto reader = steps.read_beside_writer(process);
    ASSERT_TRUE(reader) << reader.error().message();
    ASSERT_EQ((*reader)->metadata().servers[4].since, before);

    steps.network[4].kill(false);
    steps.network[4].start();
    steps.append(1);
    ASSERT_TRUE(steps.all_stored(5));
    steps.world.sleep(20 * kSecond);
    const Epoch after = steps.since(process, 4);
    EXPECT_TRUE(after == before || after == marked)
        << "it was marked and filled once more: " << after;
    steps.writer.reset();
    process.end();
  });
}

// Shards of a store that works, dropped from memory because they wait for it for too long: they are
// put all the same, without anything else happening to the store.
TEST(SimulationFound, what_is_dropped_from_memory_is_put_though_its_store_works) {
  Steps steps(4, 2);
  steps.buffered_bytes_max = 64 * kKiB;
  steps.run([&] {
    steps.create();
    SimProcess& process = steps.new_process();
    steps.open(process);
    steps.network[0].set_latency({.least_ns = 400 * kMillisecond, .most_ns = 500 * kMillisecond});
    for (int i = 0; i < 40; ++i) {
      steps.append(4);
      steps.world.sleep(30 * kMillisecond);
    }
    steps.network[0].set_latency({});
    EXPECT_TRUE(steps.wait([&] { return steps.acknowledged == 160; }));
    EXPECT_TRUE(steps.wait([&] { return steps.writer->status().missing_shards == 0; }))
        << steps.writer->status().missing_shards;
    steps.writer.reset();
    process.end();
  });
}

// A server was filled again, and its writer died before it could record that. Then another one is
// emptied: with the record two would be missing, one too many for 3+1, and nobody could open it.
TEST(SimulationFound, a_server_is_whole_though_nobody_has_recorded_it) {
  Steps steps(3, 1);
  steps.run([&] {
    steps.create();
    SimProcess& first = steps.new_process();
    steps.open(first);
    steps.append(20);
    ASSERT_TRUE(steps.wait(
        [&] { return steps.acknowledged == 20 && steps.writer->status().missing_shards == 0; }));
    steps.network[0].flush_all();
    ASSERT_TRUE(steps.wait([&] { return steps.shards_on(steps.network[0]) == 20; }));
    first.die();
    steps.writer.reset();
    first.end();

    steps.network[3].flush_all();
    SimProcess& second = steps.new_process();
    steps.open(second);
    EXPECT_TRUE(steps.wait([&] { return steps.shards_on(steps.network[3]) == 20; }));
    steps.append(1);
    EXPECT_TRUE(steps.wait([&] { return steps.acknowledged == 21; }));
    steps.writer.reset();
    second.end();
  });
}

}  // namespace
}  // namespace tlog::sim
