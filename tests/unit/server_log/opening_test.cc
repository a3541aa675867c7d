// Goal: a log is found again by whoever opens it, goes on where it ended, and is not opened, nor
// disturbed, by who does not fit to it. Method: one set of memory stores, opened in turns.
#include <gtest/gtest.h>

#include "tests/support/served_log_rig.h"

namespace tlog::server {
namespace {

using testing::Heard;
using testing::kBudgetNs;
using testing::ServedLogRig;
using testing::soon;

class OpeningTest : public ::testing::Test {
 protected:
  // A log with so many records, one aggregation for every 25 at most, closed.
  Uuid begin(Sequence records) {
    auto log = rig_.open(heard_);
    for (Sequence first = 1; first <= records; first += 25) {
      const Sequence last = std::min(first + 24, records);
      EXPECT_TRUE(log->take(rig_.records().batch(first, last + 1 - first)));
      log->force(last);
      EXPECT_TRUE(soon([&] { return heard_.stored == last; }));
    }
    EXPECT_TRUE(log->close(kBudgetNs));
    return log->log_id();
  }
  Error refusal(ServedLog::Parts parts) {
    auto opened = ServedLog::open(std::move(parts));
    EXPECT_FALSE(opened);
    return opened ? Error(Code::kNotSupported, "it was opened") : opened.error();
  }

  ServedLogRig rig_;
  Heard heard_;
};

TEST_F(OpeningTest, it_goes_on_where_it_ended) {
  const Uuid id = begin(60);
  Heard heard;
  auto log = rig_.open(heard);
  EXPECT_FALSE(log->created());
  EXPECT_EQ(log->epoch(), 2u);
  EXPECT_EQ(log->log_id(), id);
  EXPECT_FALSE(id.is_nil());
  EXPECT_EQ(log->stored(), 60u);
  EXPECT_EQ(log->taken(), 60u);
  const protocol::LogPosition position = log->position();
  EXPECT_EQ(position.sequence, 60u);
  EXPECT_EQ(position.epoch, 1u);
  EXPECT_NE(position.hash, Hash256{});
  ASSERT_FALSE(log->take(rig_.records().batch(62, 1)));
  ASSERT_TRUE(log->take(rig_.records().batch(50, 30)));
  EXPECT_TRUE(log->close(kBudgetNs));
  EXPECT_EQ(heard.stored, 79u);
  rig_.expect_log(79);
}

TEST_F(OpeningTest, other_stores_are_another_log) {
  const Uuid id = begin(1);
  ServedLogRig others;
  others.random().restart(2);
  Heard heard;
  auto log = others.open(heard);
  EXPECT_NE(log->log_id(), id);
  EXPECT_TRUE(log->close(kBudgetNs));
}

TEST_F(OpeningTest, none_is_created_unasked) {
  auto parts = rig_.parts(heard_);
  parts.may_create = false;
  EXPECT_EQ(refusal(std::move(parts)).code(), Code::kNotFound);
  auto nameless = rig_.parts(heard_);
  nameless.format.vdisk = {};
  EXPECT_EQ(refusal(std::move(nameless)).code(), Code::kInvalidArgument);
  auto without_journal = rig_.parts(heard_);
  without_journal.journal = {};
  EXPECT_EQ(refusal(std::move(without_journal)).code(), Code::kInvalidArgument);
  begin(5);
  rig_.expect_log(5);
}

TEST_F(OpeningTest, who_does_not_fit_is_refused_with_the_reason) {
  begin(30);
  auto another = rig_.parts(heard_);
  another.format.vdisk.bytes.fill(9);
  const Error uuid = refusal(std::move(another));
  EXPECT_EQ(uuid.code(), Code::kInvalidArgument);
  EXPECT_NE(uuid.message().find("09090909-0909"), std::string::npos) << uuid.message();
  EXPECT_NE(uuid.message().find(testing::SampleAggregation::sample_uuid().text()),
            std::string::npos)
      << uuid.message();
  const std::function<void(ServedLog::Parts&)> changes[] = {
      [](ServedLog::Parts& parts) { parts.format.size *= 2; },
      [](ServedLog::Parts& parts) { parts.format.block_size = 512; },
      [](ServedLog::Parts& parts) { parts.format.data_shards = 3; },
      [](ServedLog::Parts& parts) { parts.format.parity_shards = 1; },
  };
  for (const auto& change : changes) {
    auto parts = rig_.parts(heard_);
    change(parts);
    EXPECT_EQ(refusal(std::move(parts)).code(), Code::kInvalidArgument);
  }
  auto wrong_key = rig_.parts(heard_);
  wrong_key.key = std::make_shared<const seal::MasterKey>(rig_.new_key());
  EXPECT_EQ(refusal(std::move(wrong_key)).code(), Code::kWrongKey);
  auto other_journal = rig_.parts(heard_, 'b');
  const Error fenced = refusal(std::move(other_journal));
  EXPECT_EQ(fenced.code(), Code::kFenced);
  EXPECT_NE(fenced.message().find(ServedLogRig::journal('a').text()), std::string::npos)
      << fenced.message();
  // None of them has claimed anything.
  Heard heard;
  auto log = rig_.open(heard);
  EXPECT_EQ(log->epoch(), 2u);
  EXPECT_TRUE(log->close(kBudgetNs));
}

TEST_F(OpeningTest, it_is_taken_over_by_another_journal_that_says_so) {
  begin(30);
  auto parts = rig_.parts(heard_, 'b');
  parts.take_over = true;
  auto log = std::move(ServedLog::open(std::move(parts)).value());
  EXPECT_TRUE(log->take(rig_.records().batch(31, 30)));
  EXPECT_TRUE(log->close(kBudgetNs));
  EXPECT_EQ(refusal(rig_.parts(heard_, 'a')).code(), Code::kFenced);
  rig_.expect_log(60);
}

TEST_F(OpeningTest, too_few_stores_are_said) {
  begin(30);
  for (unsigned i = 0; i < 3; ++i) rig_.contents(i).refuse(true);
  const Error error = refusal(rig_.parts(heard_));
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_NE(error.message().find("memory 0"), std::string::npos) << error.message();
}

// The stores are all there is: what the writer before knew to be missing must be found again.
TEST_F(OpeningTest, what_a_dead_writer_left_incomplete_is_completed) {
  begin(200);
  auto log = rig_.open(heard_);
  rig_.contents(2).refuse(true);
  for (Sequence first = 201; first <= 700; first += 25) {
    ASSERT_TRUE(log->take(rig_.records().batch(first, 25)));
  }
  ASSERT_TRUE(soon([&] { return heard_.stored >= 700; }));
  log.reset();
  ASSERT_GT(rig_.lacking_shards(), 0u);
  Heard heard;
  log = rig_.open(heard);  // while the store is still down
  ASSERT_TRUE(log->take(rig_.records().batch(701, 25)));
  ASSERT_TRUE(soon([&] { return heard.stored == 725; }));
  rig_.contents(2).refuse(false);
  EXPECT_TRUE(soon([&] {
    const auto status = log->log_status();
    return status.missing_shards == 0 && status.doubtful_shards == 0;
  }));
  EXPECT_TRUE(log->close(kBudgetNs));
  EXPECT_EQ(rig_.lacking_shards(), 0u);
  rig_.expect_log(725);
}

// A log of a million aggregations must not be looked through at each opening.
TEST_F(OpeningTest, what_was_closed_complete_is_not_looked_up_again) {
  begin(200);
  // Nobody has told the metadata of this one.
  rig_.contents(3).edit([](store::MemoryStoreContents::Values& values) {
    std::erase_if(values, [](const auto& value) {
      const auto shard = format::parse_shard_key("vm1", value.first);
      return shard && shard->number == 1;
    });
  });
  auto log = rig_.open(heard_);
  EXPECT_TRUE(soon([&] { return log->log_status().doubtful_shards == 0; }));
  EXPECT_TRUE(log->close(kBudgetNs));
  EXPECT_EQ(rig_.lacking_shards(), 1u) << "a scrub's work";
}

}  // namespace
}  // namespace tlog::server
