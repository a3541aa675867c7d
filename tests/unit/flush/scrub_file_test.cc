// Goal: what the scrub file says is what was saved last, or the time before; never something else.
// One that cannot be used is said and replaced.
#include "tlog/flush/scrub_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/fault_files.h"
#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"

namespace tlog::flush {
namespace {

using ::testing::HasSubstr;

class ScrubFileTest : public ::testing::Test {
 protected:
  struct Loaded {
    ScrubRecord record;
    std::string trouble;
  };
  Loaded load(const Uuid& vdisk) {
    ScrubFile file(io::system_files(), path_, vdisk);
    const ScrubRecord record = file.load();
    return {record, file.trouble()};
  }
  void save(std::initializer_list<AggregationNumber> records, const Uuid& vdisk) {
    ScrubFile file(io::system_files(), path_, vdisk);
    (void)file.load();
    for (AggregationNumber done : records) ASSERT_TRUE(file.save(sample(done)));
  }
  static ScrubRecord sample(AggregationNumber done) {
    return {.light = {.since = 5, .began = 7, .done = done, .found = {1, 2, 3, 4}},
            .deep = {.since = 6, .finished = 6, .last = {7, 8, 9, 10}}};
  }

  testing::TempDirectory directory_;
  const std::string path_ = directory_.file("scrub");
  const Uuid vdisk_ = testing::SampleAggregation::sample_uuid();
};

TEST_F(ScrubFileTest, remembers_the_newest) {
  EXPECT_EQ(load(vdisk_).record, ScrubRecord{});
  EXPECT_EQ(load(vdisk_).trouble, "") << "there is none yet";
  EXPECT_FALSE(std::filesystem::exists(path_)) << "nothing to remember";
  save({1, 2, 3}, vdisk_);
  EXPECT_EQ(load(vdisk_).record, sample(3));
  save({4}, vdisk_);
  EXPECT_EQ(load(vdisk_).record, sample(4));
  EXPECT_EQ(load(vdisk_).trouble, "");
}

TEST_F(ScrubFileTest, a_torn_saving_leaves_the_one_before) {
  save({1, 2}, vdisk_);  // in the second slot, then in the first
  const std::string bytes = testing::read_text(path_);
  for (std::size_t at = 0; at < ScrubFile::kUsedBytes; ++at) {
    std::string torn = bytes;
    torn[at] = static_cast<char>(torn[at] ^ 1);
    testing::write_text(path_, torn);
    ASSERT_EQ(load(vdisk_).record, sample(1)) << at;
    ASSERT_EQ(load(vdisk_).trouble, "") << "that is what a crash leaves";
  }
}

TEST_F(ScrubFileTest, a_saving_that_failed_takes_nothing_away) {
  testing::FaultFiles files(io::system_files());
  ScrubFile file(files, path_, vdisk_);
  (void)file.load();
  ASSERT_TRUE(file.save(sample(1)));
  ASSERT_TRUE(file.save(sample(2)));
  files.inject({.operations = testing::kSyncFile, .nth = 1, .sticky = true});
  EXPECT_FALSE(file.save(sample(3)));
  EXPECT_FALSE(file.save(sample(4)));
  ASSERT_TRUE(files.fired());
  files.clear();
  // What these two have left in their slot is not sure; the other slot was not touched.
  std::string bytes = testing::read_text(path_);
  bytes[ScrubFile::kSlotBytes] = 'x';
  testing::write_text(path_, bytes);
  EXPECT_EQ(load(vdisk_).record, sample(2));
  ASSERT_TRUE(file.save(sample(5)));
  EXPECT_EQ(load(vdisk_).record, sample(5));
}

TEST_F(ScrubFileTest, a_damaged_one_is_said_and_begun_anew) {
  save({1, 2}, vdisk_);
  testing::write_text(path_, std::string(ScrubFile::kSlotBytes + 100, '?'));
  EXPECT_EQ(load(vdisk_).record, ScrubRecord{});
  EXPECT_THAT(load(vdisk_).trouble, HasSubstr(path_ + ": is damaged"));
  save({9}, vdisk_);
  EXPECT_EQ(load(vdisk_).record, sample(9));
  EXPECT_EQ(load(vdisk_).trouble, "");
}

TEST_F(ScrubFileTest, another_vdisk_s_is_said_and_begun_anew) {
  save({1, 2, 3, 4, 5}, vdisk_);
  Uuid other = vdisk_;
  other.bytes[0] ^= 1;
  EXPECT_EQ(load(other).record, ScrubRecord{});
  EXPECT_THAT(load(other).trouble, HasSubstr(vdisk_.text()));
  save({9}, other);
  EXPECT_EQ(load(other).record, sample(9));
  EXPECT_EQ(load(vdisk_).record, ScrubRecord{}) << "no slot of it is left to be taken up again";
}

TEST_F(ScrubFileTest, what_cannot_be_read_is_no_error) {
  std::filesystem::create_directory(path_);
  EXPECT_EQ(load(vdisk_).record, ScrubRecord{});
  EXPECT_NE(load(vdisk_).trouble, "");
}

}  // namespace
}  // namespace tlog::flush
