// Goal: what the simulation has found of takeovers does not come back: who comes to nothing leaves
// everything as it was.
// Method: the same faults, step by step, on simulated servers.
#include <gtest/gtest.h>

#include "tests/sim/steps.h"
#include "tlog/flush/claim.h"

namespace tlog::sim {
namespace {

// Somebody has read the log while a server was empty, and goes on when another one has taken the
// vdisk over and filled it. He must not mark it anew: it would be empty for everybody, and with
// the next one that is emptied there were too few.
TEST(SimulationFound, who_comes_too_late_marks_no_server_that_another_has_filled) {
  Steps steps(3, 1);
  steps.run([&] {
    steps.create();
    SimProcess& first = steps.new_process();
    steps.open(first);
    steps.append(20);
    ASSERT_TRUE(steps.all_stored(20));
    steps.die(first);

    SimServer& emptied = steps.network[1];
    emptied.flush_all();
    SimProcess& late = steps.new_process();
    auto read_early = steps.read(late, steps.fence(late));
    ASSERT_TRUE(read_early) << read_early.error().message();

    SimProcess& second = steps.new_process();
    steps.open(second);
    ASSERT_TRUE(steps.wait([&] { return steps.shards_on(emptied) == 20; }));
    ASSERT_TRUE(steps.wait([&] { return steps.since(second, 1) != 0; }));
    const std::string mark = steps.mark_of(emptied);
    auto opened = steps.open_behind(late, **read_early);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::kFenced) << opened.error().message();
    EXPECT_EQ(steps.mark_of(emptied), mark);
    late.end();
    steps.writer.reset();
    second.end();

    steps.network[2].flush_all();
    SimProcess& third = steps.new_process();
    steps.open(third);
    steps.append(1);
    EXPECT_TRUE(steps.all_stored(21));
    steps.writer.reset();
    third.end();
  });
}

// Two want the same epoch, and both have found a server emptied. Who has marked it may have it, as
// long as the other one does not hold the epoch.
TEST(SimulationFound, of_two_that_want_one_epoch_none_takes_the_others_mark) {
  Steps steps(4, 2);
  steps.run([&] {
    steps.create();
    SimProcess& first = steps.new_process();
    steps.open(first);
    steps.append(3);
    ASSERT_TRUE(steps.all_stored(3));
    steps.die(first);
    SimServer& emptied = steps.network[1];
    emptied.flush_all();
    // As the other one does: in the next epoch, under a mark that the vdisk has no record of.
    SimProcess& second = steps.new_process();
    const auto found = walk::read_metadata("vm1", second.stores());
    ASSERT_TRUE(found) << found.error().message();
    const Uuid uuid = found->metadata.servers[1].server;
    const std::string other = store::encode_mark({.vdisk = found->metadata.format.vdisk,
                                                  .server = uuid,
                                                  .since = 2 * store::kMarksPerEpoch + 7});
    emptied.overwrite_field(std::string(store::kServerKey), std::string(store::kServerField),
                            uuid.text());
    emptied.overwrite_field(store::control_key("vm1"), std::string(store::kMarkField), other);

    steps.network[4].cut_off(true);  // without it and the emptied one there are too few for a claim
    auto reader = steps.read(second, steps.fence(second));
    ASSERT_TRUE(reader) << reader.error().message();
    auto opened = steps.open_behind(second, **reader);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::kUnavailable) << opened.error().message();
    EXPECT_EQ(steps.mark_of(emptied), other);
    second.end();

    steps.network[4].cut_off(false);
    SimProcess& third = steps.new_process();
    steps.open(third);
    EXPECT_TRUE(steps.wait([&] { return steps.shards_on(emptied) == 3; }));
    EXPECT_NE(steps.mark_of(emptied), other) << "who holds the epoch fills it";
    steps.writer.reset();
    third.end();
  });
}

// The metadata of an epoch whose writer died while it was published, on one server, which is then
// refused because that very metadata says so. Nobody has opened anything meanwhile.
TEST(SimulationFound, metadata_that_is_not_found_again_is_no_other_writer) {
  Steps steps(3, 1);
  steps.run([&] {
    steps.create();
    SimProcess& first = steps.new_process();
    steps.open(first);
    steps.append(3);
    ASSERT_TRUE(steps.all_stored(3));
    const std::string key = steps.metadata_key();
    steps.die(first);

    SimServer& one = steps.network[2];
    const auto bytes = one.value(key);
    ASSERT_TRUE(bytes);
    auto metadata = format::decode_metadata(bytes_of(std::string_view(*bytes)));
    ASSERT_TRUE(metadata) << metadata.error().message();
    ++metadata->generation;
    metadata->epochs.push_back({.epoch = 2,
                                .started = 1,
                                .first_number = 4,
                                .first_sequence = 1000,
                                .writer = "vm:1",
                                .journal = {},
                                .write_quorum = 4});
    metadata->servers[2].since += 1;
    const Buffer changed = format::encode_metadata(*metadata);
    one.overwrite(
        format::metadata_key("vm1", 2),
        std::string(reinterpret_cast<const char*>(changed.span().data()), changed.size()));
    one.overwrite_field(store::control_key("vm1"), "claim:2", "vm:1");
    one.overwrite_field(store::control_key("vm1"), "closed:1", "vm:1");

    SimProcess& second = steps.new_process();
    auto fenced = walk::read_metadata("vm1", second.stores());
    ASSERT_TRUE(fenced) << fenced.error().message();
    ASSERT_EQ(fenced->metadata.epochs.back().epoch, 2U);
    auto reader = steps.read(second, steps.fence(second));
    ASSERT_TRUE(reader) << reader.error().message();
    const Status still = flush::check_still_fenced(fenced->metadata, (*reader)->metadata());
    EXPECT_TRUE(still) << still.error().message();
    second.end();
  });
}

// A writer ends while it is connecting to a server again. What that has begun to ask and to mark is
// nobody's any more.
TEST(SimulationFound, a_writer_ends_while_a_server_is_greeted) {
  Steps steps(2, 1);
  steps.run([&] {
    steps.create();
    for (std::uint64_t round = 1; round <= 60; ++round) {
      SimProcess& process = steps.new_process();
      steps.open(process);
      SimServer& server = steps.network[0];
      server.set_latency({.least_ns = 10 * kMillisecond, .most_ns = 10 * kMillisecond});
      server.kill(false);
      server.start();
      // Between the first and the last step of the greeting, a step later each time.
      steps.world.sleep(50 * kMillisecond + round * 3 * kMillisecond);
      steps.writer.reset();
      steps.world.sleep(500 * kMillisecond);
      server.set_latency({});
      process.end();
      for (const auto& [field, value] : steps.control_of(server)) {
        if (!field.starts_with("closed:")) continue;
        ASSERT_LT(std::stoull(field.substr(7)), round) << field;
      }
    }
  });
}

// Emptied once more when it had its name again, and before it had its mark. With the mark alone it
// was good for the writer that had set it, and wiped for everybody after him.
TEST(SimulationFound, a_server_emptied_between_its_name_and_its_mark_gets_both) {
  Steps steps(4, 2);
  steps.run([&] {
    steps.create();
    SimProcess& first = steps.new_process();
    steps.open(first);
    steps.append(3);
    ASSERT_TRUE(steps.all_stored(3));

    SimServer& server = steps.network[4];
    bool again = false;
    server.on_change = [&] {
      if (again || steps.mark_of(server).empty()) return;
      again = true;
      server.remove(std::string(store::kServerKey));  // as if it was emptied just before the mark
    };
    server.flush_all();
    steps.append(2);
    ASSERT_TRUE(steps.all_stored(5));
    ASSERT_TRUE(again);
    server.on_change = {};
    EXPECT_FALSE(server.fields(std::string(store::kServerKey)).empty());
    ASSERT_TRUE(steps.wait([&] { return steps.shards_on(server) == 5; }));
    ASSERT_TRUE(steps.wait([&] { return steps.since(first, 4) != 0; }));
    steps.writer.reset();
    first.end();

    SimProcess& second = steps.new_process();
    auto reader = steps.read(second);
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_EQ((*reader)->head().number, 5U);
    EXPECT_NE(second.stores()[4]->status().state, store::StoreState::kWiped);
    second.end();
  });
}

}  // namespace
}  // namespace tlog::sim
