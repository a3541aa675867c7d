// Goal: what a client sends is stored dense, once and unchanged, as soon as it shall be, and within
// the memory that there is. Method: a log over six stores of memory, which refuse when a test says
// so; what is stored is read back by the log's reader.
#include <gtest/gtest.h>

#include "tests/support/served_log_rig.h"

namespace tlog::server {
namespace {

using testing::Heard;
using testing::kBudgetNs;
using testing::ServedLogRig;
using testing::soon;

class ServedLogTest : public ::testing::Test {
 protected:
  void open() { log_ = rig_.open(heard_); }
  Status take(Sequence first, std::uint64_t count) {
    return log_->take(rig_.records().batch(first, count));
  }
  // Whatever was on its way through the loop has had its turn.
  void let_it_turn() {
    for (int i = 0; i < 20; ++i) {
      io::run_on(rig_.loop(), [] {});
    }
  }
  void stores_refuse(unsigned count, bool on) {
    for (unsigned i = 0; i < count; ++i) rig_.contents(i).refuse(on);
  }

  ServedLogRig rig_;
  Heard heard_;
  std::unique_ptr<ServedLog> log_;
};

TEST_F(ServedLogTest, as_many_as_the_flush_size_are_stored) {
  open();
  EXPECT_TRUE(log_->created());
  ASSERT_TRUE(take(1, 24));
  ASSERT_TRUE(soon([&] { return heard_.received == 24; }));
  let_it_turn();
  EXPECT_EQ(log_->stored(), 0u) << "one less than the flush size";
  ASSERT_TRUE(take(25, 1));
  ASSERT_TRUE(soon([&] { return heard_.stored == 25; }));
  EXPECT_EQ(log_->taken(), 25u);
  EXPECT_EQ(log_->received(), 25u);
  const protocol::LogPosition position = log_->position();
  EXPECT_EQ(position.number, 1u);
  EXPECT_EQ(position.sequence, 25u);
  EXPECT_EQ(position.epoch, log_->epoch());
  EXPECT_TRUE(log_->close(kBudgetNs));
  EXPECT_EQ(heard_.failures, 0u);
  EXPECT_FALSE(heard_.backwards);
  rig_.expect_log(25);
}

TEST_F(ServedLogTest, closing_stores_what_was_taken) {
  open();
  for (Sequence first = 1; first <= 700; first += 7) ASSERT_TRUE(take(first, 7));
  EXPECT_TRUE(log_->close(kBudgetNs));
  EXPECT_EQ(log_->stored(), 700u);
  auto late = take(701, 1);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::kShutdown);
  rig_.expect_log(700);
  EXPECT_EQ(rig_.lacking_shards(), 0u);
}

TEST_F(ServedLogTest, a_gap_is_refused_and_a_repetition_skipped) {
  open();
  ASSERT_TRUE(take(1, 10));
  auto gap = take(12, 3);
  ASSERT_FALSE(gap);
  EXPECT_EQ(gap.error().code(), Code::kInvalidArgument);
  EXPECT_NE(gap.error().message().find("11"), std::string::npos) << gap.error().message();
  EXPECT_NE(gap.error().message().find("12"), std::string::npos) << gap.error().message();
  EXPECT_EQ(log_->taken(), 10u);
  EXPECT_TRUE(take(1, 10));
  EXPECT_TRUE(take(3, 4));
  EXPECT_EQ(log_->taken(), 10u);
  EXPECT_TRUE(take(6, 20)) << "the new part of one that overlaps";
  EXPECT_EQ(log_->taken(), 25u);
  protocol::Batch holed = rig_.records().batch(26, 5);
  holed.records.erase(holed.records.begin() + 2);
  auto inside = log_->take(std::move(holed));
  ASSERT_FALSE(inside);
  EXPECT_EQ(inside.error().code(), Code::kInvalidArgument);
  auto none = log_->take({});
  ASSERT_FALSE(none);
  EXPECT_EQ(log_->taken(), 25u);
  EXPECT_TRUE(log_->close(kBudgetNs));
  rig_.expect_log(25);
}

TEST_F(ServedLogTest, what_could_not_be_read_or_played_back_is_refused) {
  open();
  ASSERT_TRUE(take(1, 10));
  protocol::Batch early = rig_.records().batch(11, 2);
  early.records[0].timestamp -= 1'000'000;
  auto back = log_->take(std::move(early));
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code(), Code::kInvalidArgument);
  protocol::Batch outside = rig_.records().batch(11, 2);
  outside.records[1].offset = log_->format().size - 1;
  auto beyond = log_->take(std::move(outside));
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code(), Code::kInvalidArgument);
  EXPECT_NE(beyond.error().message().find("sequence 12"), std::string::npos);
  EXPECT_EQ(log_->taken(), 10u);
  EXPECT_TRUE(log_->close(kBudgetNs));
  rig_.expect_log(10);
}

TEST_F(ServedLogTest, a_wrong_hash_ends_the_taking_and_nothing_behind_it_counts) {
  open();
  ASSERT_TRUE(take(1, 30));
  ASSERT_TRUE(soon([&] { return heard_.received == 30; }));
  protocol::Batch wrong = rig_.records().batch(31, 20);
  wrong.bytes.data()[wrong.bytes.size() / 2] ^= std::byte{1};
  ASSERT_TRUE(log_->take(std::move(wrong)));
  (void)take(51, 20);  // already taken, or refused: verified it will not be
  ASSERT_TRUE(soon([&] { return heard_.failures == 1; }));
  EXPECT_EQ(heard_.error()->code(), Code::kCorruption) << heard_.error()->message();
  auto more = take(71, 1);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code(), Code::kCorruption);
  EXPECT_EQ(log_->received(), 30u);
  EXPECT_FALSE(log_->close(kBudgetNs)) << "not all that was taken is stored";
  EXPECT_EQ(log_->stored(), 30u) << "what had been received before is";
  EXPECT_EQ(heard_.failures, 1u);
  rig_.expect_log(30);
}

TEST_F(ServedLogTest, few_records_are_stored_after_the_flush_time) {
  auto parts = rig_.parts(heard_);
  parts.flush_time_ns = 30'000'000;
  log_ = std::move(ServedLog::open(std::move(parts)).value());
  ASSERT_TRUE(take(1, 3));
  EXPECT_TRUE(soon([&] { return heard_.stored == 3; }));
  ASSERT_TRUE(take(4, 1));
  EXPECT_TRUE(soon([&] { return heard_.stored == 4; })) << "and again";
  EXPECT_EQ(log_->position().number, 2u);
  log_->settings(25, 3'600'000'000'000);
  ASSERT_TRUE(take(5, 1));
  ASSERT_TRUE(soon([&] { return heard_.received == 5; }));
  let_it_turn();
  EXPECT_EQ(log_->stored(), 4u);
  log_->settings(1, 3'600'000'000'000);
  EXPECT_TRUE(soon([&] { return heard_.stored == 5; })) << "one is enough now";
  EXPECT_TRUE(log_->close(kBudgetNs));
  rig_.expect_log(5);
}

TEST_F(ServedLogTest, what_is_forced_is_stored_now) {
  open();
  ASSERT_TRUE(take(1, 3));
  log_->force(2);
  EXPECT_TRUE(soon([&] { return heard_.stored >= 2; }));
  ASSERT_TRUE(take(4, 1));
  log_->force(1'000);  // more than there is
  EXPECT_TRUE(soon([&] { return heard_.stored == 4; }));
  ASSERT_TRUE(take(5, 1));
  ASSERT_TRUE(soon([&] { return heard_.received == 5; }));
  let_it_turn();
  EXPECT_EQ(log_->stored(), 4u) << "a force is for what had been taken";
  EXPECT_TRUE(log_->close(kBudgetNs));
  rig_.expect_log(5);
}

TEST_F(ServedLogTest, memory_is_bounded_and_room_is_told) {
  constexpr std::uint64_t kMemory = 4 * kMiB;
  ServedLogRig rig({}, 16'000);
  Heard heard;
  auto parts = rig.parts(heard);
  parts.memory_bytes_max = kMemory;
  auto log = std::move(ServedLog::open(std::move(parts)).value());
  for (unsigned i = 0; i < 3; ++i) rig.contents(i).refuse(true);
  Sequence sent = 0;
  std::uint64_t batch_bytes = 0;
  while (!log->full() && sent < 100'000) {
    protocol::Batch batch = rig.records().batch(sent + 1, 20);
    batch_bytes =
        std::max<std::uint64_t>(batch_bytes, batch.bytes.size() + 20 * sizeof(format::Record));
    ASSERT_TRUE(log->take(std::move(batch)));
    sent += 20;
    EXPECT_LE(log->memory_bytes(), kMemory + batch_bytes);
  }
  ASSERT_TRUE(log->full());
  ASSERT_TRUE(soon([&] { return log->received() == sent; }));
  // What the stores do not take is sealed as far as there is room for it; then it ends.
  ASSERT_TRUE(soon([&] { return log->memory_bytes() > kMemory / 2 || !log->full(); }));
  EXPECT_LE(log->memory_bytes(), kMemory + batch_bytes);
  while (!log->full() && sent < 100'000) {
    ASSERT_TRUE(log->take(rig.records().batch(sent + 1, 20)));
    sent += 20;
    ASSERT_TRUE(soon([&] { return log->received() == sent; }));
    EXPECT_LE(log->memory_bytes(), kMemory + batch_bytes);
  }
  ASSERT_TRUE(log->full());
  EXPECT_EQ(log->stored(), 0u);
  const unsigned rooms = heard.rooms;
  for (unsigned i = 0; i < 3; ++i) rig.contents(i).refuse(false);
  EXPECT_TRUE(soon([&] { return heard.rooms > rooms; }));
  EXPECT_FALSE(log->full());
  EXPECT_TRUE(log->close(kBudgetNs));
  EXPECT_EQ(heard.failures, 0u);
  rig.expect_log(sent);
}

TEST_F(ServedLogTest, one_store_down_holds_nothing_up) {
  open();
  rig_.contents(4).refuse(true);
  for (Sequence first = 1; first <= 1000; first += 25) ASSERT_TRUE(take(first, 25));
  log_->force(1000);
  EXPECT_TRUE(soon([&] { return heard_.stored == 1000; }));
  EXPECT_GT(rig_.lacking_shards(), 0u);
  rig_.contents(4).refuse(false);
  EXPECT_TRUE(soon([&] { return log_->log_status().missing_shards == 0; }));
  EXPECT_TRUE(log_->close(kBudgetNs));
  EXPECT_EQ(rig_.lacking_shards(), 0u);
  rig_.expect_log(1000);
}

TEST_F(ServedLogTest, what_a_store_has_lost_is_found_and_brought_back) {
  open();
  ASSERT_TRUE(take(1, 100));
  EXPECT_TRUE(log_->close(kBudgetNs));
  rig_.contents(2).edit([](auto& values) {
    std::erase_if(values, [](const auto& each) { return format::parse_shard_key("vm1", each.first).has_value(); });
  });
  ASSERT_GT(rig_.lacking_shards(), 0u);
  server::ServedLog::Parts parts = rig_.parts(heard_);
  parts.scrubs = {.every = {.light_ns = 10'000'000, .deep_ns = 0}, .bytes_per_second = 0};
  parts.scrub_record = std::make_shared<flush::ScrubRecord>();
  const auto record = parts.scrub_record;
  log_ = ServedLog::open(std::move(parts)).value();
  EXPECT_TRUE(soon([&] { return rig_.lacking_shards() == 0; }));
  EXPECT_TRUE(soon([&] { return log_->scrubs().light.finished != 0; }));
  EXPECT_TRUE(log_->close(kBudgetNs));
  // Opened again it is as it was.
  EXPECT_GT(record->light.finished, 0u);
  parts = rig_.parts(heard_);
  parts.scrubs.every = {.light_ns = 86'400'000'000'000, .deep_ns = 0};
  parts.scrub_record = record;
  log_ = ServedLog::open(std::move(parts)).value();
  EXPECT_TRUE(soon([&] { return log_->scrubs().light.finished == record->light.finished; }));
  EXPECT_TRUE(log_->close(kBudgetNs));
  rig_.expect_log(100);
}

TEST_F(ServedLogTest, closing_ends_within_its_budget_when_nothing_can_be_stored) {
  open();
  ASSERT_TRUE(take(1, 25));
  ASSERT_TRUE(soon([&] { return heard_.stored == 25; }));
  stores_refuse(3, true);
  ASSERT_TRUE(take(26, 100));
  EXPECT_FALSE(log_->close(500'000'000));
  EXPECT_EQ(log_->stored(), 25u);
  EXPECT_FALSE(log_->close(500'000'000)) << "again, without harm";
  stores_refuse(3, false);
  log_.reset();
  open();
  EXPECT_GE(log_->stored(), 25u);
  ASSERT_TRUE(take(log_->stored() + 1, 125 - log_->stored()));
  EXPECT_TRUE(log_->close(kBudgetNs));
  rig_.expect_log(125);
}

}  // namespace
}  // namespace tlog::server
