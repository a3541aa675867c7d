// Goal: what the hints file says is what was saved last, or less; never something else.
#include "tlog/flush/hints_file.h"

#include <gtest/gtest.h>

#include <latch>

#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"

namespace tlog::flush {
namespace {

class HintsFileTest : public ::testing::Test {
 protected:
  HintsFileTest() : loop_(std::move(io::make_loop({}, null_logger()).value())) {
    EXPECT_TRUE(loop_->start());
  }
  ~HintsFileTest() override { loop_->stop(); }

  std::unique_ptr<HintsFile> open(const Uuid& vdisk) {
    auto file = HintsFile::open(io::system_files(), path_, vdisk, 6);
    EXPECT_TRUE(file) << file.error().message();
    return std::move(*file);
  }
  void save(HintsFile& file, const Hints& hints) {
    std::latch saved(1);
    io::run_on(*loop_, [&] {
      file.save(*loop_, hints, [&](Status status) {
        EXPECT_TRUE(status);
        saved.count_down();
      });
    });
    saved.wait();
  }

  testing::TempDirectory directory_;
  const std::string path_ = directory_.file("hints");
  const Uuid vdisk_ = testing::SampleAggregation::sample_uuid();
  std::unique_ptr<io::Loop> loop_;
};

Hints sample(AggregationNumber complete) {
  Hints hints{.complete = complete, .missing = std::vector<NumberSet>(6)};
  hints.missing[2].insert_run(5, 9);
  hints.missing[5].insert(complete);
  hints.wrong.resize(6);
  hints.wrong[2].insert_run(7, 8);  // missing again meanwhile: two things of one store
  hints.wrong[4].insert(1);
  return hints;
}

TEST_F(HintsFileTest, remembers_the_newest) {
  EXPECT_FALSE(open(vdisk_)->found());
  auto file = open(vdisk_);
  for (AggregationNumber complete : {20U, 30U, 40U}) save(*file, sample(complete));
  auto again = open(vdisk_);
  ASSERT_TRUE(again->found());
  EXPECT_EQ(again->hints().complete, 40U);
  EXPECT_EQ(again->hints().missing[2].runs(), sample(40).missing[2].runs());
  EXPECT_EQ(again->hints().missing[5].count(), 1U);
  EXPECT_TRUE(again->hints().missing[0].empty());
  EXPECT_EQ(again->hints().wrong[2].runs(), sample(40).wrong[2].runs());
  EXPECT_EQ(again->hints().wrong[4].runs(), sample(40).wrong[4].runs());
  EXPECT_TRUE(again->hints().wrong[5].empty()) << "it is missing there";
}

TEST_F(HintsFileTest, a_torn_slot_leaves_the_one_before) {
  auto file = open(vdisk_);
  save(*file, sample(20));
  save(*file, sample(30));
  std::string bytes = testing::read_text(path_);
  bytes[60] = static_cast<char>(bytes[60] ^ 1);  // slot 0: the second generation
  testing::write_text(path_, bytes);
  auto again = open(vdisk_);
  ASSERT_TRUE(again->found());
  EXPECT_EQ(again->hints().complete, 20U);
}

TEST_F(HintsFileTest, of_another_vdisk_says_nothing) {
  save(*open(vdisk_), sample(20));
  Uuid other = vdisk_;
  other.bytes[0] ^= 1;
  auto file = open(other);
  EXPECT_FALSE(file->found());
  save(*file, sample(3));
  EXPECT_EQ(open(other)->hints().complete, 3U);
}

// More runs than have room: what is not listed is said to be unknown.
TEST_F(HintsFileTest, too_many_runs_lower_what_is_complete) {
  Hints hints{.complete = 20000, .missing = std::vector<NumberSet>(6)};
  for (AggregationNumber n = 1; n <= 9999; n += 2) hints.missing[n % 6].insert(n);
  save(*open(vdisk_), hints);
  auto again = open(vdisk_);
  ASSERT_TRUE(again->found());
  EXPECT_GT(again->hints().complete, 1000U);
  EXPECT_LT(again->hints().complete, 9999U);
  for (AggregationNumber n = 1; n <= again->hints().complete; n += 2) {
    ASSERT_EQ(again->hints().missing[n % 6].next(n), n) << "listed, or beyond what is complete";
  }
}

// A lookup would not find what is wrong: it is listed before all else, and says nothing of what is
// complete.
TEST_F(HintsFileTest, what_is_wrong_has_room_first) {
  Hints hints{
      .complete = 20000, .missing = std::vector<NumberSet>(6), .wrong = std::vector<NumberSet>(6)};
  for (AggregationNumber n = 1; n <= 9999; n += 2) hints.missing[n % 6].insert(n);
  hints.wrong[3].insert(19999);
  save(*open(vdisk_), hints);
  auto again = open(vdisk_);
  ASSERT_TRUE(again->found());
  EXPECT_LT(again->hints().complete, 9999U);
  EXPECT_TRUE(again->hints().wrong[3].contains(19999));
  for (AggregationNumber n = 1; n <= again->hints().complete; n += 2) {
    ASSERT_TRUE(again->hints().missing[n % 6].contains(n)) << "listed, or beyond what is complete";
  }
}

}  // namespace
}  // namespace tlog::flush
