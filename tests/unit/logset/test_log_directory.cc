// Logs in a directory: a slice is there whole or not at all, whatever fails, also over a power cut
// at every single step; what was confirmed stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "gateways/logset/log_directory.h"
#include "tests/support/fault_files.h"
#include "tests/support/forgetful_files.h"
#include "tests/support/temp_directory.h"

namespace tlog::logset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Status add_slice(LogDirectory& logs, const std::string& name, std::uint64_t offset,
                 const std::string& bytes) {
  SpooledSlice slice(logs.files(), logs.path());
  TLOG_TRY(slice.write(std::as_bytes(std::span(bytes))));
  return logs.append({.name = name, .offset = offset, .length = bytes.size()}, slice);
}

std::string log_text(LogDirectory& logs, const std::string& name) {
  std::string text(logs.length(name).value(), '\0');
  EXPECT_TRUE(logs.read(name, 0, std::as_writable_bytes(std::span(text))));
  return text;
}

TEST(LogDirectory, takes_slices_at_the_end_alone) {
  const testing::TempDirectory directory;
  auto logs = LogDirectory::open(io::system_files(), directory.file("logs")).value();
  EXPECT_TRUE(logs->lengths().value().empty());
  ASSERT_TRUE(add_slice(*logs, "b", 0, "one"));
  ASSERT_TRUE(add_slice(*logs, "b", 3, std::string("\n\0two", 5)));
  ASSERT_TRUE(add_slice(*logs, "A9", 0, "x"));
  for (std::uint64_t wrong : {0, 3, 7, 9}) {
    const Status refused = add_slice(*logs, "b", wrong, "never");
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code(), Code::kFenced) << wrong;
  }
  EXPECT_EQ(log_text(*logs, "b"), std::string("one\n\0two", 8));
  testing::write_text(directory.file("logs/noLog.txt"), "not");
  EXPECT_THAT(logs->lengths().value(), ElementsAre(LogLength{"A9", 1}, LogLength{"b", 8}));
}

TEST(LogDirectory, logs_of_others_are_served_and_grow) {
  const testing::TempDirectory directory;
  testing::write_text(directory.file("own"), "12345");
  auto logs = LogDirectory::open(io::system_files(), directory.path()).value();
  EXPECT_THAT(logs->lengths().value(), ElementsAre(LogLength{"own", 5}));
  testing::write_text(directory.file("own"), "1234567");
  EXPECT_EQ(log_text(*logs, "own"), "1234567");
  EXPECT_TRUE(add_slice(*logs, "own", 7, "8"));
  EXPECT_EQ(testing::read_text(directory.file("own")), "12345678");
}

// One log too many would make all of them unreadable: it is refused, and the others go on.
TEST(LogDirectory, no_more_logs_are_made_than_can_be_told) {
  const testing::TempDirectory directory;
  const auto open = [&] {
    return LogDirectory::open(io::system_files(), directory.path(), 3).value();
  };
  auto logs = open();
  for (const std::string name : {"a", "b", "c"}) ASSERT_TRUE(add_slice(*logs, name, 0, "x"));
  for (int opened = 0; opened < 2; ++opened) {
    const Status refused = add_slice(*logs, "d", 0, "x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kNoSpace);
    EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("at most 3"));
    EXPECT_FALSE(logs->check_room({.name = "e", .offset = 0, .length = 1}));
    EXPECT_TRUE(add_slice(*logs, "b", static_cast<std::uint64_t>(1 + opened), "y"));
    EXPECT_EQ(logs->lengths().value().size(), 3u);
    logs.reset();
    logs = open();
  }
  ASSERT_TRUE(io::system_files().remove(directory.file("a")));
  EXPECT_TRUE(add_slice(*logs, "d", 0, "x"));
  EXPECT_FALSE(add_slice(*logs, "e", 0, "x"));
}

TEST(LogDirectory, no_more_logs_are_made_by_many_at_once) {
  const testing::TempDirectory directory;
  auto logs = LogDirectory::open(io::system_files(), directory.path(), 5).value();
  std::vector<std::thread> pushers;
  for (int i = 0; i < 12; ++i) {
    pushers.emplace_back([&, i] { (void)add_slice(*logs, "log" + std::to_string(i), 0, "x"); });
  }
  for (std::thread& pusher : pushers) pusher.join();
  const auto lengths = logs->lengths();
  ASSERT_TRUE(lengths.has_value()) << lengths.error().message();
  EXPECT_LE(lengths->size(), 5u);
  EXPECT_GE(lengths->size(), 1u);
}

TEST(LogDirectory, one_process_at_a_time) {
  const testing::TempDirectory directory;
  auto logs = LogDirectory::open(io::system_files(), directory.path()).value();
  auto second = LogDirectory::open(io::system_files(), directory.path());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr("another process"));
}

TEST(LogDirectory, large_slices_are_spooled_and_leave_nothing) {
  const testing::TempDirectory directory;
  auto logs = LogDirectory::open(io::system_files(), directory.path()).value();
  std::string large(5'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 + i / 251);
  ASSERT_TRUE(add_slice(*logs, "large", 0, large));
  EXPECT_EQ(log_text(*logs, "large"), large);
  {  // one that never ends
    SpooledSlice slice(logs->files(), logs->path());
    ASSERT_TRUE(slice.write(std::as_bytes(std::span(large))));
  }
  const auto entries = io::system_files().list(directory.path()).value();
  for (const auto& entry : entries) {
    EXPECT_TRUE(entry.name == "large" || entry.name == ".lock") << entry.name;
  }
  testing::write_text(directory.file(".slice-0123"), "left by a crash");
  testing::write_text(directory.file(".append-a.tmp"), "likewise");
  logs.reset();
  ASSERT_TRUE(LogDirectory::open(io::system_files(), directory.path()));
  EXPECT_FALSE(io::system_files().exists(directory.file(".slice-0123")).value());
  EXPECT_FALSE(io::system_files().exists(directory.file(".append-a.tmp")).value());
}

TEST(LogDirectory, of_many_pushes_of_one_place_one_is_taken) {
  const testing::TempDirectory directory;
  auto logs = LogDirectory::open(io::system_files(), directory.path()).value();
  std::atomic<int> taken{0};
  std::vector<std::thread> writers;
  for (char c : std::string("abcdefgh")) {
    writers.emplace_back([&, c] {
      for (std::uint64_t i = 0; i < 20; ++i) {
        if (add_slice(*logs, "log", i * 1000, std::string(1000, c))) ++taken;
        const std::uint64_t length = logs->length("log").value();
        EXPECT_EQ(length % 1000, 0u) << "half a slice was seen";
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(logs->length("log").value(), static_cast<std::uint64_t>(taken) * 1000);
}

// Each step of appending fails, and then the power goes.
void cut_at_every_step(testing::PowerCut mode) {
  const std::string before(7000, 'b');
  const std::string more(9000, 'm');
  bool reached_end = false;
  for (std::uint64_t step = 1; !reached_end; ++step) {
    ASSERT_LT(step, 100u);
    const testing::TempDirectory directory;
    testing::ForgetfulFiles disk(directory.path());
    testing::FaultFiles files(disk);
    {
      auto logs = LogDirectory::open(files, directory.file("logs")).value();
      ASSERT_TRUE(add_slice(*logs, "log", 0, before));
      files.inject({.nth = step, .sticky = true});
      const Status confirmed = add_slice(*logs, "log", before.size(), more);
      const Status fresh = add_slice(*logs, "new", 0, more);
      reached_end = !files.fired();
      files.clear();
      disk.power_cut(step, mode);
      auto again = LogDirectory::open(disk, directory.file("logs"));
      ASSERT_TRUE(again) << step << ": " << again.error().message();
      const std::string log = log_text(**again, "log");
      EXPECT_TRUE(log == before + more || (!confirmed && log == before)) << step;
      const std::string made = log_text(**again, "new");
      EXPECT_TRUE(made == more || (!fresh && made.empty())) << step << " " << made.size();
      // And it goes on.
      EXPECT_TRUE(add_slice(**again, "log", log.size(), "on")) << step;
    }
  }
}

TEST(LogDirectory, nothing_half_after_a_power_cut_at_any_step) {
  cut_at_every_step(testing::PowerCut::kDropAll);
  cut_at_every_step(testing::PowerCut::kDropBlocks);
  cut_at_every_step(testing::PowerCut::kTearSectors);
}

TEST(LogDirectory, after_a_failure_a_log_takes_nothing_until_opened_anew) {
  const testing::TempDirectory directory;
  testing::FaultFiles files(io::system_files());
  auto logs = LogDirectory::open(files, directory.path()).value();
  ASSERT_TRUE(add_slice(*logs, "log", 0, "whole"));
  files.inject({.operations = testing::kSyncFile, .nth = 2});  // the first is the marker's
  ASSERT_FALSE(add_slice(*logs, "log", 5, "half"));
  ASSERT_TRUE(files.fired());
  EXPECT_EQ(log_text(*logs, "log"), "whole");
  const Status refused = add_slice(*logs, "log", 5, "half");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("start the server anew"));
  EXPECT_TRUE(add_slice(*logs, "other", 0, "fine"));
  logs.reset();
  auto again = LogDirectory::open(files, directory.path()).value();
  EXPECT_EQ(log_text(*again, "log"), "whole");
  EXPECT_TRUE(add_slice(*again, "log", 5, "more"));
}

// Wherever the disk is full: for the marker, before the log's first byte, or in its middle.
TEST(LogDirectory, a_full_disk_is_told_and_the_log_goes_on) {
  struct Moment {
    const char* path;
    std::uint64_t nth;
  };
  const std::string large(2 * kMiB + 5, 'h');  // comes in pieces
  for (const Moment& moment : {Moment{"/.append-log", 1}, Moment{"/log", 1}, Moment{"/log", 2}}) {
    SCOPED_TRACE(::testing::Message() << moment.path << " " << moment.nth);
    const testing::TempDirectory directory;
    testing::FaultFiles files(io::system_files());
    auto logs = LogDirectory::open(files, directory.path()).value();
    ASSERT_TRUE(add_slice(*logs, "log", 0, "whole"));
    files.inject({.operations = testing::kWriteFile,
                  .nth = moment.nth,
                  .error_number = ENOSPC,
                  .path_contains = moment.path});
    const Status refused = add_slice(*logs, "log", 5, large);
    ASSERT_TRUE(!refused && files.fired());
    EXPECT_EQ(refused.error().code(), Code::kNoSpace);
    files.clear();
    EXPECT_EQ(log_text(*logs, "log"), "whole") << "what got there was not taken back";
    const Status taken = add_slice(*logs, "log", 5, " more");
    EXPECT_TRUE(taken) << taken.error().message();
    EXPECT_EQ(log_text(*logs, "log"), "whole more");
  }
}

}  // namespace
}  // namespace tlog::logset
