// Goal: a log has one writer, whatever server it is behind: who takes it over ends the one before,
// and nothing that one had stored is lost. Method: real redis servers, two logs of one vdisk over
// them, as two tlogservers would have it.
#include <gtest/gtest.h>

#include "tests/support/redis_server.h"
#include "tests/support/served_log_rig.h"

namespace tlog::server {
namespace {

using testing::Heard;
using testing::ServedLogRig;
using testing::soon;

constexpr std::uint64_t kBudgetNs = 20'000'000'000;

class WritersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
    fleet_ = std::make_unique<testing::RedisFleet>(ServedLogRig::kStores);
    rig_ = std::make_unique<ServedLogRig>(fleet_->addresses());
  }
  std::unique_ptr<ServedLog> begin(Heard& heard) {
    auto log = rig_->open(heard);
    EXPECT_TRUE(log->take(rig_->records().batch(1, 50)));
    log->force(50);
    EXPECT_TRUE(soon([&] { return heard.stored == 50; }));
    return log;
  }

  std::unique_ptr<testing::RedisFleet> fleet_;
  std::unique_ptr<ServedLogRig> rig_;
};

TEST_F(WritersTest, who_takes_over_ends_the_writer_before) {
  Heard first_heard;
  auto first = begin(first_heard);
  Heard second_heard;
  auto refused = ServedLog::open(rig_->parts(second_heard, 'b'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFenced);
  // Whoever was refused has not ended the writer.
  ASSERT_TRUE(first->take(rig_->records().batch(51, 50)));
  first->force(100);
  ASSERT_TRUE(soon([&] { return first_heard.stored == 100; }));
  auto parts = rig_->parts(second_heard, 'b');
  parts.take_over = true;
  auto second = ServedLog::open(std::move(parts));
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ((*second)->position().sequence, 100u);
  EXPECT_EQ((*second)->log_id(), first->log_id());
  // The first one is told at the latest when it wants to store something.
  (void)first->take(rig_->records().batch(101, 50));
  first->force(150);
  EXPECT_TRUE(soon([&] { return first_heard.failures == 1; }));
  EXPECT_EQ(first_heard.error()->code(), Code::kFenced) << first_heard.error()->message();
  EXPECT_EQ(first->stored(), 100u);
  EXPECT_FALSE(first->close(kBudgetNs));
  ASSERT_TRUE((*second)->take(rig_->records().batch(101, 60)));
  EXPECT_TRUE((*second)->close(kBudgetNs));
  EXPECT_EQ(second_heard.failures, 0u);
  rig_->expect_log(160);
}

// The client has gone over to another server, and the one before does not know it yet.
TEST_F(WritersTest, the_same_journal_through_another_server_ends_the_writer_before) {
  Heard first_heard;
  auto first = begin(first_heard);
  Heard second_heard;
  auto second = rig_->open(second_heard);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->log_id(), first->log_id());
  EXPECT_EQ(second->taken(), 50u);
  ASSERT_TRUE(second->take(rig_->records().batch(51, 25)));
  ASSERT_TRUE(soon([&] { return second_heard.stored == 75; }));
  (void)first->take(rig_->records().batch(51, 25));
  EXPECT_TRUE(soon([&] { return first_heard.failures == 1; }));
  EXPECT_EQ(first_heard.error()->code(), Code::kFenced);
  first.reset();
  EXPECT_TRUE(second->close(kBudgetNs));
  rig_->expect_log(75);
}

TEST_F(WritersTest, a_store_that_was_away_gets_what_a_dead_server_owed_it) {
  Heard heard;
  auto log = begin(heard);
  (*fleet_)[1].kill();
  for (Sequence next = 51; next <= 300; next += 25) {
    ASSERT_TRUE(log->take(rig_->records().batch(next, 25)));
  }
  ASSERT_TRUE(soon([&] { return heard.stored == 300; }));
  log.reset();  // the server dies
  Heard again;
  log = rig_->open(again);
  ASSERT_TRUE(log);
  (*fleet_)[1].start();
  EXPECT_TRUE(soon([&] {
    const auto status = log->log_status();
    return status.missing_shards == 0 && status.doubtful_shards == 0 && status.left[1] == 0;
  }));
  EXPECT_TRUE(log->close(kBudgetNs));
  // Two others may go now.
  (*fleet_)[0].kill();
  (*fleet_)[2].kill();
  rig_->expect_log(300);
}

}  // namespace
}  // namespace tlog::server
