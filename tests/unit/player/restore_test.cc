// Which bytes a restore yields, for every point, and what it does about points that there are not.
#include <random>

#include "player/time_point.h"
#include "tests/support/nbdkit_server.h"
#include "tests/unit/player/restore_fixture.h"

namespace tlog::player {
namespace {

using RestorePoint = RestoreTest;

Until until_time(TimestampNs time) {
  Until until;
  until.kind = Until::Kind::kTime;
  until.time = time;
  return until;
}
Until until_mark(const std::string& name) {
  Until until;
  until.kind = Until::Kind::kMark;
  until.mark = name;
  return until;
}
RestoreOptions options_of(Until until) {
  RestoreOptions options;
  options.until = std::move(until);
  return options;
}

// Every sequence of a log, byte for byte; also those at which nothing changed (marks, barriers).
TEST_F(RestorePoint, until_is_exact) {
  build_log(7, 7);
  builder_->mark("nothing changes here");
  builder_->flush_barrier();
  builder_->finish();
  for (Sequence sequence = 1; sequence <= builder_->last_sequence(); ++sequence) {
    auto report = restore(options_of(until_sequence(sequence)));
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->sequence, sequence);
    EXPECT_EQ(report->records, sequence);
    EXPECT_EQ(report->time, builder_->time_of(sequence));
    expect_image_is(sequence);
    EXPECT_FALSE(exists(partial()));
    EXPECT_FALSE(exists(state()));
    remove_image();
  }
  auto newest = restore();
  ASSERT_TRUE(newest) << newest.error().message();
  EXPECT_EQ(newest->sequence, builder_->last_sequence());
  expect_image_is(builder_->last_sequence());
}

// A record's own time includes it, one nanosecond before does not; between two nothing changes.
TEST_F(RestorePoint, until_time_is_exact) {
  build_log(7, 7);
  builder_->finish();
  auto source = open_source();
  ASSERT_TRUE(source) << source.error().message();
  walk::LogReader& reader = (*source)->reader();
  auto range = reachable_range(reader);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first_sequence, 1U);
  EXPECT_EQ(range->last_sequence, builder_->last_sequence());
  ResolveOptions how;
  how.now = system_clock().wall_ns();
  for (Sequence sequence = 1; sequence <= builder_->last_sequence(); ++sequence) {
    const TimestampNs time = builder_->time_of(sequence);
    for (TimestampNs at : {time, time + 1, time + testing::LogBuilder::kStep - 1}) {
      auto cut = resolve(reader, until_time(at), *range, how);
      ASSERT_TRUE(cut) << cut.error().message();
      EXPECT_EQ(cut->sequence, sequence) << format_time(at);
    }
    auto before = resolve(reader, until_time(time - 1), *range, how);
    if (sequence == 1) {
      EXPECT_FALSE(before);
    } else {
      ASSERT_TRUE(before) << before.error().message();
      EXPECT_EQ(before->sequence, sequence - 1);
    }
  }
  // Between the newest record and now: everything.
  auto now = resolve(reader, until_time(how.now), *range, how);
  ASSERT_TRUE(now);
  EXPECT_EQ(now->sequence, builder_->last_sequence());
  auto report = restore(options_of(until_time(builder_->time_of(5) + 7)));
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->sequence, 5U);
  expect_image_is(5);
}

TEST_F(RestorePoint, until_mark) {
  build_log(3);
  builder_->mark("before upgrade");
  const Sequence marked = builder_->last_sequence();
  builder_->random_records(4);
  builder_->mark("twice");
  builder_->random_records(4);
  builder_->mark("twice");
  builder_->finish();
  auto report = restore(options_of(until_mark("before upgrade")));
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->sequence, marked);
  expect_image_is(marked);
  remove_image();
  auto twice = restore(options_of(until_mark("twice")));
  ASSERT_FALSE(twice);
  for (Sequence sequence : {marked + 5, marked + 10}) {
    EXPECT_NE(twice.error().message().find(std::to_string(sequence)), std::string::npos)
        << twice.error().message();
  }
  EXPECT_NE(twice.error().message().find("--until-sequence"), std::string::npos);
}

TEST_F(RestorePoint, unreachable_point_fails) {
  build_log(4);
  builder_->finish();
  const Sequence last = builder_->last_sequence();
  testing::write_text(image(), "precious");
  for (const Until& until :
       {until_sequence(0), until_sequence(last + 1), until_sequence(~Sequence{0}),
        until_time(builder_->time_of(1) - 1), until_time(0),
        until_time(system_clock().wall_ns() + 3'600'000'000'000), until_mark("no such"),
        until_mark("")}) {
    auto report = restore(options_of(until), true);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), Code::kNotFound) << report.error().message();
    const std::string range = "sequence 1 to " + std::to_string(last);
    EXPECT_NE(report.error().message().find(range), std::string::npos) << report.error().message();
    EXPECT_EQ(testing::read_text(image()), "precious");
    EXPECT_FALSE(exists(partial()));
  }
}

TEST_F(RestorePoint, restore_of_nothing_is_an_error) {
  build_log(0);
  builder_->finish();
  testing::write_text(image(), "precious");
  auto report = restore({}, true);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message().find("empty"), std::string::npos) << report.error().message();
  EXPECT_EQ(testing::read_text(image()), "precious");
}

TEST_F(RestorePoint, restore_never_destroys_first) {
  build_log(4);
  builder_->finish();
  testing::write_text(image(), "precious");
  auto refused = restore();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kAlreadyExists);
  auto file = make_file_target(target_options(image(), true), io::system_files());
  unsigned looked = 0;
  WatchedTarget target(*file, [&]() -> Status {
    ++looked;
    EXPECT_EQ(testing::read_text(image()), "precious");
    return {};
  });
  auto report = restore_to(target, in_small_steps());
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_GE(looked, 3U);
  expect_image_is(builder_->last_sequence());
}

TEST_F(RestorePoint, dry_run_changes_nothing) {
  build_log(4);
  builder_->finish();
  RestoreOptions options;
  options.dry_run = true;
  auto report = restore(options);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->sequence, builder_->last_sequence());
  EXPECT_EQ(report->records, builder_->last_sequence());
  EXPECT_EQ(report->aggregations, 4U);
  EXPECT_GT(report->bytes, 0U);
  for (const std::string& path : {image(), partial(), state()}) EXPECT_FALSE(exists(path)) << path;
  testing::write_text(image(), "precious");
  EXPECT_FALSE(restore(options)) << "what the restore would refuse, the dry run refuses";
}

// Reads of a log that grows meanwhile: what was there at the opening, no more and no less.
TEST_F(RestorePoint, beside_a_writer) {
  build_log(3);
  const Sequence before = builder_->last_sequence();
  auto source = open_source();
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_LE((*source)->reader().head().sequence, before);
  builder_->random_records(5);
  builder_->close_aggregation();
  builder_->new_epoch();  // stores it
  auto report = restore();
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->sequence, builder_->last_sequence());
  expect_image_is(builder_->last_sequence());
}

TEST_F(RestorePoint, onto_an_nbd_server) {
  build_log(8);
  builder_->finish();
  testing::NbdkitOptions nbdkit;
  nbdkit.directory = site_.directory();
  nbdkit.plugin = "memory";
  nbdkit.parameters = {"size=" + std::to_string(builder_->size())};
  auto server = testing::NbdkitServer::start(nbdkit);
  ASSERT_TRUE(server) << server.error().message();
  for (Sequence sequence : {builder_->last_sequence(), Sequence{3}}) {
    auto target = make_nbd_target(target_options((*server)->uri(), true));
    RestoreOptions options = in_small_steps(until_sequence(sequence));
    options.state_path = state();
    auto report = restore_to(*target, options);
    ASSERT_TRUE(report) << report.error().message();
    std::vector<std::byte> back(builder_->size());
    auto reader = make_nbd_target(target_options((*server)->uri(), true));
    ASSERT_TRUE(reader->check(false));
    ASSERT_TRUE(reader->read(0, back));
    EXPECT_EQ(back, builder_->model_at(sequence)) << "what was there before must be gone";
  }
}

}  // namespace
}  // namespace tlog::player
