// The log file: appended to, found under its name again after somebody has moved it away, and
// nobody has to wait for it.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "server/program/file_logger.h"
#include "tests/support/loopback.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace tlog::program {
namespace {

constexpr std::uint64_t kPatienceNs = 20'000'000'000;

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
  ASSERT_TRUE((*logger)->flush(kPatienceNs));
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
  ASSERT_TRUE((*logger)->flush(kPatienceNs));
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
  const bool handled = (*logger)->flush(kPatienceNs);
  ASSERT_EQ(::dup2(before.number(), STDERR_FILENO), STDERR_FILENO);
  EXPECT_TRUE(handled);
  ::testing::internal::CaptureStderr();
  (*logger)->error("seen");
  EXPECT_TRUE((*logger)->flush(kPatienceNs));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "warning: event=log_lines_lost count=1\nerror: seen\n");
}

// A pipe that nobody reads: as slow as a disk can be.
struct SlowFile : ::testing::Test {
  SlowFile() {
    ::signal(SIGPIPE, SIG_IGN);  // as the program does
    if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
    reader = testing::Descriptor(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  // What is read later; until then there is no room for a line.
  void fill() {
    const testing::Descriptor writer(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    const std::string some(4096, '\n');
    while (::write(writer.number(), some.data(), some.size()) > 0) {
    }
  }
  // All that is there to be read.
  std::string read() {
    std::string text;
    char some[4096];
    for (ssize_t got = 0; (got = ::read(reader.number(), some, sizeof some)) > 0;)
      text.append(some, static_cast<std::size_t>(got));
    return text;
  }
  testing::TempDirectory directory;
  const std::string path = directory.file("log");
  testing::Descriptor reader;
};

TEST_F(SlowFile, keeps_nobody_waiting_and_what_was_lost_is_counted) {
  constexpr int kLines = 20'000;  // much more than the queue holds
  auto logger = FileLogger::open({.path = path, .lines_max = 100});
  ASSERT_TRUE(logger.has_value()) << logger.error().message();
  fill();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kLines; ++i) (*logger)->info(fmt::format("line={}", i));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_FALSE((*logger)->flush(1'000'000)) << "the pipe has no room";
  std::string text;
  EXPECT_TRUE(testing::wait_until(
      [&] {
        text += read();
        return (*logger)->flush(1'000'000);
      },
      testing::Milliseconds(20'000)));
  (*logger)->info("the last");
  EXPECT_TRUE((*logger)->flush(kPatienceNs));
  text += read();
  std::istringstream lines(text);
  int written = 0;
  int lost = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    const std::size_t count = line.find("event=log_lines_lost count=");
    if (count == std::string::npos)
      ++written;
    else
      lost += std::stoi(line.substr(line.rfind('=') + 1));
  }
  EXPECT_EQ(written + lost, kLines + 1);
  EXPECT_GT(lost, 0);
  EXPECT_THAT(text, HasSubstr(fmt::format("line={}\n", kLines - 1))) << "the newest are kept";
  EXPECT_THAT(text, HasSubstr("the last\n"));
}

TEST_F(SlowFile, is_not_waited_for_at_the_end_for_ever) {
  {
    auto logger = FileLogger::open({.path = path});
    ASSERT_TRUE(logger.has_value()) << logger.error().message();
    fill();
    for (int i = 0; i < 100; ++i) (*logger)->info("a line");
    const auto begin = std::chrono::steady_clock::now();
    logger->reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  }
}

TEST(FileLogger, what_was_said_is_written_at_the_end) {
  testing::TempDirectory directory;
  const std::string path = directory.file("log");
  {
    auto logger = FileLogger::open({.path = path});
    ASSERT_TRUE(logger.has_value());
    for (int i = 0; i < 5'000; ++i) (*logger)->info("a line");
  }
  const std::string text = testing::read_text(path);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5'000);
}

}  // namespace
}  // namespace tlog::program
