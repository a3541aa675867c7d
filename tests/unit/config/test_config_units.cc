// Sizes, durations and names. Round trips for random numbers (rapidcheck prints its seed).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>

#include "tlog/config/config.h"
#include "tlog/config/names.h"

namespace tlog::config {
namespace {

using testing::HasSubstr;

TEST(ConfigUnits, sizes_are_powers_of_1024) {
  EXPECT_EQ(parse_size("4096").value(), 4096u);
  EXPECT_EQ(parse_size("0").value(), 0u);
  EXPECT_EQ(parse_size("7B").value(), 7u);
  EXPECT_EQ(parse_size("1KiB").value(), 1024u);
  EXPECT_EQ(parse_size("64 MiB").value(), 64 * kMiB);
  EXPECT_EQ(parse_size("10GiB").value(), 10 * kGiB);
  EXPECT_EQ(parse_size("2TiB").value(), 2048 * kGiB);
  EXPECT_EQ(parse_size("3K").value(), 3 * kKiB);
  EXPECT_EQ(parse_size("3M").value(), 3 * kMiB);
  EXPECT_EQ(parse_size("10G").value(), 10 * kGiB);
  EXPECT_EQ(parse_size("1T").value(), 1024 * kGiB);
  EXPECT_EQ(parse_size("18446744073709551615").value(), std::numeric_limits<std::uint64_t>::max());
}

TEST(ConfigUnits, durations_have_a_unit) {
  EXPECT_EQ(parse_duration_ns("25s").value(), 25'000'000'000u);
  EXPECT_EQ(parse_duration_ns("500ms").value(), 500'000'000u);
  EXPECT_EQ(parse_duration_ns("2m").value(), 120'000'000'000u);
  EXPECT_EQ(parse_duration_ns("1h").value(), 3'600'000'000'000u);
  EXPECT_EQ(parse_duration_ns("7 us").value(), 7'000u);
  EXPECT_EQ(parse_duration_ns("9ns").value(), 9u);
  EXPECT_THAT(parse_duration_ns("25").error().message(), HasSubstr("unit missing"));
}

TEST(ConfigUnits, what_is_not_meant_is_refused) {
  for (const char* text : {"", " 1", "-1", "+1", "1.5GiB", "GiB", "1 ", "1  K", "1GB", "1kb",
                           "1gib", "0x10", "1K1", "18446744073709551616", "99999999999T", "1\n"}) {
    auto size = parse_size(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_EQ(size.error().code(), Code::kInvalidArgument) << text;
  }
  for (const char* text : {"", "s", "1", "1 sec", "1S", "1.5s", "-1s", "99999999999999h"}) {
    EXPECT_FALSE(parse_duration_ns(text).has_value()) << text;
  }
}

TEST(ConfigUnits, formatted_numbers_read_back_the_same) {
  for (std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, kKiB, kMiB, 1536 * kMiB, kGiB + 1,
                              5000 * kGiB, std::numeric_limits<std::uint64_t>::max()}) {
    EXPECT_EQ(parse_size(format_size(value)).value(), value);
    EXPECT_EQ(parse_duration_ns(format_duration_ns(value)).value(), value);
  }
  EXPECT_TRUE(rc::check("any number, with any number of zero bits below", [] {
    auto value = *rc::gen::arbitrary<std::uint64_t>() << *rc::gen::inRange(0, 64);
    RC_ASSERT(parse_size(format_size(value)).value() == value);
    RC_ASSERT(parse_duration_ns(format_duration_ns(value)).value() == value);
  }));
}

TEST(ConfigUnits, formatted_sizes_are_short) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(512), "512B");
  EXPECT_EQ(format_size(1536), "1536B");
  EXPECT_EQ(format_size(10 * kGiB), "10GiB");
  EXPECT_EQ(format_duration_ns(25'000'000'000), "25s");
  EXPECT_EQ(format_duration_ns(90'000'000'000), "90s");
  EXPECT_EQ(format_duration_ns(0), "0ns");
}

TEST(ConfigUnits, names_cannot_leave_their_directory) {
  for (const char* name : {"a", "vm1", "VM_1.disk-2", "_x", "0"})
    EXPECT_TRUE(is_valid_name(name)) << name;
  for (const char* name :
       {"", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "\xc3\xa4", "a:b", "a\\b"}) {
    EXPECT_FALSE(is_valid_name(name)) << name;
  }
  EXPECT_TRUE(is_valid_name(std::string(64, 'a')));
  EXPECT_FALSE(is_valid_name(std::string(65, 'a')));
  EXPECT_FALSE(is_valid_name(std::string_view("a\0b", 3)));
}

TEST(ConfigUnits, the_nearest_word_is_found) {
  const std::vector<std::string_view> known = {"keyFile", "journal", "clusters", "dataShards",
                                               "passwordFile"};
  EXPECT_EQ(nearest("jounral", known), "journal");
  EXPECT_EQ(nearest("KEYFILE", known), "keyFile");
  EXPECT_EQ(nearest("datashard", known), "dataShards");
  EXPECT_EQ(nearest("password", known), "passwordFile");
  EXPECT_EQ(nearest("entirelyElse", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest(std::string(100'000, 'j'), known), "");
}

}  // namespace
}  // namespace tlog::config
