// Restores that end early, and the ones after them.
#include <random>

#include "player/vdisk_target.h"
#include "tests/support/nbdkit_server.h"
#include "tests/unit/player/restore_fixture.h"

namespace tlog::player {
namespace {

using RestoreResume = RestoreTest;

// Stopped at every step there is: the next run ends with the same bytes, and does not begin anew.
TEST_F(RestoreResume, interrupted_restore_resumes) {
  build_log(8);
  builder_->finish();
  unsigned resumed = 0;
  for (unsigned step = 1;; ++step) {
    auto first = restore_interrupted(step, in_small_steps());
    if (first) break;  // there are no more steps
    EXPECT_EQ(first.error().code(), Code::kShutdown) << first.error().message();
    EXPECT_FALSE(exists(image()));
    if (first.error().message().find("the same command continues") != std::string::npos) ++resumed;
    const Sequence reached = last_report_.sequence;
    auto second = restore(in_small_steps());
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(second->resumed_after, reached);
    EXPECT_EQ(second->sequence, builder_->last_sequence());
    EXPECT_EQ(second->records, builder_->last_sequence());
    EXPECT_EQ(notes_, "");
    expect_image_is(builder_->last_sequence());
    EXPECT_FALSE(exists(state()));
    remove_image();
  }
  EXPECT_GE(resumed, 3U);
}

// The target has more than the kept position says, as after SIGKILL: replaying gives the same
// bytes.
TEST_F(RestoreResume, what_was_applied_after_the_kept_position_does_no_harm) {
  build_log(8);
  builder_->finish();
  RestoreOptions rarely = in_small_steps();
  rarely.sync_every_ns = 3'600'000'000'000;
  auto first = restore_interrupted(5, rarely, true);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code(), Code::kIoError);
  EXPECT_TRUE(exists(partial()));
  auto second = restore();
  ASSERT_TRUE(second) << second.error().message();
  expect_image_is(builder_->last_sequence());
}

// Stopped again and again, at different steps, with the point moving on.
TEST_F(RestoreResume, a_later_point_continues_and_an_earlier_one_begins_anew) {
  build_log(10);
  builder_->finish();
  const Sequence last = builder_->last_sequence();
  ASSERT_FALSE(restore_interrupted(4, in_small_steps(until_sequence(last - 1))));
  const Sequence reached = last_report_.sequence;
  ASSERT_GT(reached, 0U);
  ASSERT_FALSE(restore_interrupted(2, in_small_steps(until_sequence(last))));
  EXPECT_GE(last_report_.sequence, reached);
  // The second run may have applied records up to `last`: the first one's point cannot be continued
  // to any more.
  auto earlier = restore(in_small_steps(until_sequence(last - 1)));
  ASSERT_TRUE(earlier) << earlier.error().message();
  EXPECT_EQ(earlier->resumed_after, 0U);
  EXPECT_NE(notes_.find("beginning anew"), std::string::npos) << notes_;
  expect_image_is(last - 1);
}

TEST_F(RestoreResume, another_partial_file_is_not_continued) {
  build_log(8);
  builder_->finish();
  ASSERT_FALSE(restore_interrupted(5, in_small_steps()));
  testing::write_text(site_.file("other"), "not what was restored");
  ASSERT_TRUE(io::system_files().rename(site_.file("other"), partial()));
  auto second = restore(in_small_steps());
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(second->resumed_after, 0U);
  EXPECT_NE(notes_.find("the target has changed"), std::string::npos) << notes_;
  expect_image_is(builder_->last_sequence());
}

TEST_F(RestoreResume, restart_begins_anew) {
  build_log(8);
  builder_->finish();
  ASSERT_FALSE(restore_interrupted(5, in_small_steps()));
  RestoreOptions options = in_small_steps();
  options.restart = true;
  auto second = restore(options);
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(second->resumed_after, 0U);
  expect_image_is(builder_->last_sequence());
}

TEST_F(RestoreResume, a_state_that_lies_about_the_chain_is_not_believed) {
  build_log(8);
  builder_->finish();
  ASSERT_FALSE(restore_interrupted(6, in_small_steps()));
  auto kept = load_state(io::system_files(), state());
  ASSERT_TRUE(kept) << kept.error().message();
  ASSERT_GT(kept->number, 0U);
  kept->hash.bytes[3] ^= 1;
  ASSERT_TRUE(save_state(io::system_files(), state(), *kept));
  auto second = restore(in_small_steps());
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(second->resumed_after, 0U);
  EXPECT_NE(notes_.find("not the one"), std::string::npos) << notes_;
  expect_image_is(builder_->last_sequence());
}

TEST_F(RestoreResume, a_new_vdisk_is_continued) {
  build_log(10);
  builder_->finish();
  auto config = config::load(io::system_files(), site_.config_path());
  ASSERT_TRUE(config);
  const SourceEnvironment environment{io::system_files(), system_random(), null_logger()};
  auto onto_copy = [&](std::function<Status()> before_apply) -> Result<RestoreReport> {
    TLOG_ASSIGN(auto copy, make_vdisk_target(target_options("vdisk:copy"), *config, environment));
    WatchedTarget target(*copy, std::move(before_apply));
    return restore_to(target, in_small_steps());
  };
  unsigned steps = 0;
  auto first = onto_copy([&]() -> Status {
    if (++steps == 6) stop_.store(true);
    return {};
  });
  stop_.store(false);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code(), Code::kShutdown) << first.error().message();
  const Sequence reached = last_report_.sequence;
  ASSERT_GT(reached, 0U);
  auto second = onto_copy([] { return Status(); });
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(second->resumed_after, reached);
  expect_file_is(site_.file("blocks/copy"), builder_->last_sequence());
}

// The same URI may be another disk the next time: then nothing that was restored before may be
// believed to be there.
TEST_F(RestoreResume, a_server_that_forgot_is_not_continued) {
  build_log(5);
  // What is written around the interruption is zeros, too short to be taken for a hole, as on a
  // blank server.
  for (int i = 0; i < 3; ++i) {
    builder_->write(100, std::string(700, '\0'));
    builder_->close_aggregation();
  }
  build_more(2);
  builder_->finish();
  testing::NbdkitOptions nbdkit;
  nbdkit.directory = site_.directory();
  nbdkit.plugin = "memory";
  nbdkit.parameters = {"size=" + std::to_string(builder_->size())};
  for (bool forgets : {false, true}) {
    SCOPED_TRACE(forgets ? "forgets" : "remembers");
    auto server = testing::NbdkitServer::start(nbdkit);
    ASSERT_TRUE(server) << server.error().message();
    RestoreOptions options = in_small_steps();
    options.state_path = state();
    {
      auto nbd = make_nbd_target(target_options((*server)->uri(), true));
      unsigned steps = 0;
      WatchedTarget target(*nbd, [&]() -> Status {
        if (++steps == 6) stop_.store(true);
        return {};
      });
      auto first = restore_to(target, options);
      stop_.store(false);
      ASSERT_FALSE(first);
    }
    if (forgets) {
      (*server)->kill();
      server = testing::NbdkitServer::start(nbdkit);
      ASSERT_TRUE(server) << server.error().message();
    }
    auto target = make_nbd_target(target_options((*server)->uri(), true));
    auto second = restore_to(*target, options);
    ASSERT_TRUE(second) << second.error().message();
    if (forgets) {
      EXPECT_EQ(second->resumed_after, 0U);
    }
    std::vector<std::byte> back(builder_->size());
    auto reader = make_nbd_target(target_options((*server)->uri(), true));
    ASSERT_TRUE(reader->check(false));
    ASSERT_TRUE(reader->read(0, back));
    EXPECT_EQ(back, builder_->model_at(builder_->last_sequence()));
    (*server)->kill();
  }
}

}  // namespace
}  // namespace tlog::player
