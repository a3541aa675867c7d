// Goal and method as in golden_test.cc: the file that remembers scrubs in the background.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"
#include "tlog/flush/scrub_file.h"

namespace tlog::flush {
namespace {

TEST(GoldenScrub, the_file) {
  const std::string kept = std::string(TLOG_GOLDEN_DIRECTORY) + "/scrub";
  const testing::TempDirectory directory;
  const std::string path = directory.file("scrub");
  const Uuid vdisk = testing::SampleAggregation::sample_uuid();
  const ScrubRecord record{.light = {.since = 1,
                                     .began = 2,
                                     .done = 3,
                                     .found = {4, 5, 6, 7},
                                     .finished = 8,
                                     .last = {9, 10, 11, 12}},
                           .deep = {.since = 13,
                                    .began = 0,
                                    .done = 0,
                                    .found = {},
                                    .finished = 14,
                                    .last = {15, 16, 17, 18}}};
  {
    ScrubFile file(io::system_files(), path, vdisk);
    EXPECT_EQ(file.load(), ScrubRecord{});
    for (const ScrubRecord& each : {ScrubRecord{}, ScrubRecord{}, record}) {
      ASSERT_TRUE(file.save(each));
    }
  }
  const std::string written = testing::read_text(path);
  if (std::getenv("TLOG_GOLDEN_WRITE") != nullptr) testing::write_text(kept, written);
  EXPECT_EQ(written, testing::read_text(kept)) << "the format has changed";

  testing::write_text(path, testing::read_text(kept));
  ScrubFile file(io::system_files(), path, vdisk);
  EXPECT_EQ(file.load(), record);
  EXPECT_EQ(file.trouble(), "");
}

}  // namespace
}  // namespace tlog::flush
