// The log file: appended to, and found under its name again after somebody has moved it away.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "server/program/file_logger.h"
#include "tests/support/loopback.h"
#include "tests/support/temp_directory.h"

namespace tlog::program {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(FileLogger, opened_anew_goes_on_under_the_old_name) {
  testing::TempDirectory directory;
  const std::string path = directory.file("log");
  testing::write_text(path, "before\n");
  auto logger = FileLogger::open({.path = path});
  ASSERT_TRUE(logger.has_value());
  (*logger)->debug("unseen");
  (*logger)->info("first");
  std::filesystem::rename(path, path + ".1");
  (*logger)->info("second");
  ASSERT_TRUE((*logger)->reopen().has_value());
  (*logger)->warning("third");
  const std::string old_text = testing::read_text(path + ".1");
  EXPECT_THAT(old_text, MatchesRegex("before\n[0-9T:.-]+Z info: first\n[0-9T:.-]+Z info: "
                                     "second\n"));
  EXPECT_THAT(testing::read_text(path), MatchesRegex("[0-9T:.-]+Z warning: third\n"));
}

TEST(FileLogger, what_cannot_be_opened_is_named) {
  const auto logger = FileLogger::open({.path = "/nonexistent/log"});
  ASSERT_FALSE(logger.has_value());
  EXPECT_THAT(logger.error().message(), HasSubstr("--logfile"));
  EXPECT_THAT(logger.error().message(), HasSubstr("/nonexistent/log"));
}

TEST(FileLogger, goes_on_in_the_old_file_when_the_new_one_cannot_be_opened) {
  testing::TempDirectory directory;
  const std::string folder = directory.file("logs");
  std::filesystem::create_directory(folder);
  auto logger = FileLogger::open({.path = folder + "/log"});
  ASSERT_TRUE(logger.has_value());
  std::filesystem::rename(folder, folder + ".away");
  EXPECT_FALSE((*logger)->reopen().has_value());
  (*logger)->error("still here");
  EXPECT_THAT(testing::read_text(folder + ".away/log"), HasSubstr("error: still here"));
}

TEST(FileLogger, a_line_that_stderr_does_not_take_is_lost_and_nothing_else) {
  auto logger = FileLogger::open({});
  ASSERT_TRUE(logger.has_value());
  const testing::Descriptor before(::dup(STDERR_FILENO));
  const testing::Descriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_GE(full.number(), 0);
  ASSERT_EQ(::dup2(full.number(), STDERR_FILENO), STDERR_FILENO);
  EXPECT_NO_THROW((*logger)->error("lost"));
  ASSERT_EQ(::dup2(before.number(), STDERR_FILENO), STDERR_FILENO);
  std::clearerr(stderr);
  ::testing::internal::CaptureStderr();
  (*logger)->error("seen");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "error: seen\n");
}

}  // namespace
}  // namespace tlog::program
