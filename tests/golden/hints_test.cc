// Goal and method as in golden_test.cc: the file that remembers which shards stores miss or have
// wrong. The version before is read, too.
#include <gtest/gtest.h>

#include <cstdlib>
#include <latch>

#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"
#include "tlog/flush/hints_file.h"

namespace tlog::flush {
namespace {

constexpr std::size_t kStores = 6;

std::string golden_path(const std::string& name) {
  return std::string(TLOG_GOLDEN_DIRECTORY) + "/" + name;
}

std::unique_ptr<HintsFile> open(const std::string& path) {
  auto file =
      HintsFile::open(io::system_files(), path, testing::SampleAggregation::sample_uuid(), kStores);
  EXPECT_TRUE(file) << file.error().message();
  return std::move(*file);
}

Hints sample(AggregationNumber complete) {
  Hints hints{.complete = complete,
              .missing = std::vector<NumberSet>(kStores),
              .wrong = std::vector<NumberSet>(kStores)};
  hints.missing[2].insert_run(5, 9);
  hints.missing[5].insert(complete);
  hints.wrong[0].insert_run(3, 4);
  return hints;
}

void expect_sample(const Hints& hints, bool has_wrong) {
  const Hints expected = sample(30);
  EXPECT_EQ(hints.complete, expected.complete);
  for (std::size_t i = 0; i < kStores; ++i) {
    EXPECT_EQ(hints.missing[i].runs(), expected.missing[i].runs()) << i;
    EXPECT_EQ(hints.wrong[i].runs(), has_wrong ? expected.wrong[i].runs() : NumberSet().runs());
  }
}

TEST(GoldenHints, the_file) {
  const testing::TempDirectory directory;
  const std::string path = directory.file("hints");
  auto loop = std::move(io::make_loop({}, null_logger()).value());
  ASSERT_TRUE(loop->start());
  {
    auto file = open(path);
    for (AggregationNumber complete : {20U, 30U}) {
      std::latch saved(1);
      io::run_on(*loop, [&] {
        file->save(*loop, sample(complete), [&](const Status& status) {
          EXPECT_TRUE(status);
          saved.count_down();
        });
      });
      saved.wait();
    }
  }
  loop->stop();
  const std::string written = testing::read_text(path);
  if (std::getenv("TLOG_GOLDEN_WRITE") != nullptr) {
    testing::write_text(golden_path("hints-2"), written);
  }
  EXPECT_EQ(written, testing::read_text(golden_path("hints-2"))) << "the format has changed";
  testing::write_text(path, testing::read_text(golden_path("hints-2")));
  auto file = open(path);
  ASSERT_TRUE(file->found());
  expect_sample(file->hints(), true);
}

TEST(GoldenHints, version_1_is_read) {
  const testing::TempDirectory directory;
  const std::string path = directory.file("hints");
  testing::write_text(path, testing::read_text(golden_path("hints-1")));
  auto file = open(path);
  ASSERT_TRUE(file->found());
  expect_sample(file->hints(), false);
}

}  // namespace
}  // namespace tlog::flush
