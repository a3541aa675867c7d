#include "player/time_point.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace tlog::player {
namespace {

constexpr TimestampNs kSecond = 1'000'000'000;
constexpr TimestampNs kNow = 1'795'255'200 * kSecond;  // 2026-11-21T10:00:00Z

// Sets the time zone of the process for one test.
class Zone {
 public:
  explicit Zone(const char* name) {
    const char* old = std::getenv("TZ");
    if (old) old_ = old;
    setenv("TZ", name, 1);
    tzset();
  }
  ~Zone() {
    if (old_.empty()) {
      unsetenv("TZ");
    } else {
      setenv("TZ", old_.c_str(), 1);
    }
    tzset();
  }

 private:
  std::string old_;
};

TimestampNs parsed(const char* text) {
  auto time = parse_time(text, kNow);
  EXPECT_TRUE(time) << text << ": " << (time ? "" : time.error().message());
  return time ? *time : 0;
}

TEST(TimePoint, rfc3339) {
  EXPECT_EQ(parsed("2026-11-21T10:00:00Z"), kNow);
  EXPECT_EQ(parsed("2026-11-21t10:00:00z"), kNow);
  EXPECT_EQ(parsed("2026-11-21 10:00:00Z"), kNow);
  EXPECT_EQ(parsed("2026-11-21T11:30:00+01:30"), kNow);
  EXPECT_EQ(parsed("2026-11-21T05:00:00-05:00"), kNow);
  EXPECT_EQ(parsed("2026-11-21T10:00:00.5Z"), kNow + kSecond / 2);
  EXPECT_EQ(parsed("2026-11-21T10:00:00.000000001Z"), kNow + 1);
  EXPECT_EQ(parsed("2026-11-21T10:00:00.0000000019Z"), kNow + 1);
  EXPECT_EQ(parsed("1970-01-01T00:00:00Z"), 0U);
  EXPECT_EQ(parsed("2024-02-29T00:00:00Z"), 1'709'164'800 * kSecond);
}

TEST(TimePoint, relative) {
  EXPECT_EQ(parsed("now"), kNow);
  EXPECT_EQ(parsed("5m ago"), kNow - 300 * kSecond);
  EXPECT_EQ(parsed("2h ago"), kNow - 7200 * kSecond);
  EXPECT_EQ(parsed(" 1d 6h ago "), kNow - 30 * 3600 * kSecond);
  EXPECT_EQ(parsed("1h30m ago"), kNow - 5400 * kSecond);
  EXPECT_EQ(parsed("90 seconds ago"), kNow - 90 * kSecond);
  EXPECT_EQ(parsed("250ms ago"), kNow - kSecond / 4);
  EXPECT_EQ(parsed("0s ago"), kNow);
}

TEST(TimePoint, local_time_is_local) {
  Zone zone("Europe/Brussels");
  EXPECT_EQ(parsed("2026-11-21 11:00:00"), kNow);
  EXPECT_EQ(parsed("2026-07-01 12:00:00"), parsed("2026-07-01T10:00:00Z"));
  EXPECT_EQ(parsed("2026-11-21T11:00:00.25"), kNow + kSecond / 4);
}

TEST(TimePoint, skipped_local_hour_is_refused) {
  Zone zone("Europe/Brussels");
  auto time = parse_time("2026-03-29 02:30:00", kNow);
  ASSERT_FALSE(time);
  EXPECT_NE(time.error().message().find("no such local time"), std::string::npos);
}

TEST(TimePoint, what_is_not_a_time_is_refused) {
  for (const char* text : {"",
                           "yesterday",
                           "5 ago",
                           "ago",
                           "m ago",
                           "5x ago",
                           "-5m ago",
                           "99999999999999999999s ago",
                           "99999999999w ago",
                           "2026-11-21",
                           "2026-11-21T10:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-02-30T00:00:00Z",
                           "2026-11-21T25:00:00Z",
                           "2026-11-21T10:60:00Z",
                           "2026-11-21T10:00:00+25:00",
                           "2026-11-21T10:00:00.Z",
                           "2026-11-21T10:00:00Zx",
                           "2026-11-21T10:00:00 +01:00",
                           "1969-12-31T23:59:59Z",
                           "9999-01-01T00:00:00Z",
                           "12345"}) {
    auto time = parse_time(text, kNow);
    EXPECT_FALSE(time) << text;
    if (!time) {
      EXPECT_EQ(time.error().code(), Code::kInvalidArgument) << text;
    }
  }
}

TEST(TimePoint, format_reads_back) {
  for (TimestampNs time : {TimestampNs{0}, TimestampNs{1}, kNow, kNow + 1, kNow + 120'000'000,
                           kNow + 999'999'999, TimestampNs{18'000'000'000'000'000'000U}}) {
    EXPECT_EQ(parsed(format_time(time).c_str()), time) << format_time(time);
  }
  EXPECT_EQ(format_time(kNow), "2026-11-21T10:00:00Z");
  EXPECT_EQ(format_time(kNow + 120'000'000), "2026-11-21T10:00:00.12Z");
}

}  // namespace
}  // namespace tlog::player
