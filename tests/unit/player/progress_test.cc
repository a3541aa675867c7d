#include "player/progress.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace tlog::player {
namespace {

class StoppedClock final : public Clock {
 public:
  TimestampNs wall_ns() const override { return 0; }
  std::uint64_t monotonic_ns() const override { return now_; }
  void advance_s(std::uint64_t seconds) { now_ += seconds * 1'000'000'000; }

 private:
  std::uint64_t now_ = 5'000'000'000;
};

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  int in() const { return ends_[1]; }
  std::string all() {
    ::close(ends_[1]);
    ends_[1] = -1;
    std::string text;
    char part[4096];
    for (ssize_t n = 0; (n = ::read(ends_[0], part, sizeof part)) > 0;) {
      text.append(part, static_cast<std::size_t>(n));
    }
    return text;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(Progress, lines_for_scripts) {
  StoppedClock clock;
  Pipe pipe;
  {
    Progress progress({ProgressStyle::kLines, pipe.in()}, clock);
    progress.begin("restoring", 200, 0);
    progress.update(0, 0);
    clock.advance_s(1);
    progress.update(100, 1000);
    progress.update(101, 1000);  // too soon after the last
    clock.advance_s(1);
    progress.update(101, 1000);  // the same percentage
    progress.complete(2000);
  }
  EXPECT_EQ(pipe.all(), "0/100\n50/100\n100/100\n");
}

TEST(Progress, bar_shows_rate_and_time_left_and_goes_away) {
  StoppedClock clock;
  Pipe pipe;
  {
    Progress progress({ProgressStyle::kBar, pipe.in()}, clock);
    progress.begin("restoring", 1000, 500);
    clock.advance_s(10);
    progress.update(600, 1'000'000'000);
  }
  std::string text = pipe.all();
  EXPECT_NE(text.find("restoring ["), std::string::npos) << text;
  EXPECT_NE(text.find(" 60%  100 MB/s  0:40 left"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\r\x1b[K")) << text;
}

TEST(Progress, none_says_nothing) {
  StoppedClock clock;
  Pipe pipe;
  {
    Progress progress({ProgressStyle::kNone, pipe.in()}, clock);
    progress.begin("restoring", 10, 0);
    progress.update(5, 10);
    progress.complete(20);
  }
  EXPECT_EQ(pipe.all(), "");
}

TEST(Progress, options) {
  EXPECT_EQ(parse_progress("lines", true)->style, ProgressStyle::kLines);
  EXPECT_EQ(parse_progress("always", true)->style, ProgressStyle::kBar);
  EXPECT_EQ(parse_progress("never", false)->style, ProgressStyle::kNone);
  EXPECT_EQ(parse_progress("auto", true)->style, ProgressStyle::kNone);
  EXPECT_EQ(parse_progress("fd:7", false)->descriptor, 7);
  for (const char* text : {"", "fd:", "fd:x", "fd:-1", "fd:1x", "sometimes"}) {
    EXPECT_FALSE(parse_progress(text, false)) << text;
  }
}

TEST(Progress, units) {
  EXPECT_EQ(format_bytes(37), "37 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(kGiB), "1.0 GiB");
  EXPECT_EQ(format_bytes(~std::uint64_t{0}), "16.0 EiB");
  EXPECT_EQ(format_duration(5), "0:05");
  EXPECT_EQ(format_duration(3723), "1:02:03");
}

}  // namespace
}  // namespace tlog::player
