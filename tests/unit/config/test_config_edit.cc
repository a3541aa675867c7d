// Goal: changing one value changes no other byte, and never another value than the one meant.
#include <gtest/gtest.h>

#include "tests/unit/config/replaced.h"
#include "tlog/config/edit.h"

namespace tlog::config {
namespace {

constexpr char kWritten[] =
    "# ours\n"
    "clusters:\n"
    "  c:   # six of them\n"
    "    requestTimeout: 1s\n"
    "    servers:\n"
    "      - {address: 10.0.0.1:6379, db: 1}   # rack 1\n"
    "      - {address: \"10.0.0.2:6379\"}\n"
    "      - address: '10.0.0.3:6379'\t# rack 3\n"
    "      - address: 10.0.0.4:6379   # rack 4\n"
    "      -   db: 2\r\n"
    "          address: 10.0.0.5:6379\r\n"
    "      - {\"address\": unix:/run/a.sock}\n"
    "      - address: &seven 10.0.0.7:6379\n"
    "vdisks: {}\n";

std::string edited(std::size_t server, const std::string& value) {
  const Checked checked = check(kWritten, "/etc/t.yml");
  auto text = with_scalar(
      kWritten,
      position_in(checked.positions, "clusters/c/servers/" + std::to_string(server) + "/address"),
      value);
  return text ? *text : text.error().message();
}

TEST(ConfigEdit, only_the_value_changes_whatever_way_it_is_written) {
  EXPECT_EQ(edited(0, "h:1"), replaced(kWritten, "10.0.0.1:6379", "h:1"));
  EXPECT_EQ(edited(1, "h:1"), replaced(kWritten, "10.0.0.2:6379", "h:1"));
  EXPECT_EQ(edited(2, "h:1"), replaced(kWritten, "10.0.0.3:6379", "h:1"));
  EXPECT_EQ(edited(3, "h:1"), replaced(kWritten, "10.0.0.4:6379", "h:1"));
  EXPECT_EQ(edited(4, "h:1"), replaced(kWritten, "10.0.0.5:6379", "h:1"));
  EXPECT_EQ(edited(5, "unix:/run/b.sock"), replaced(kWritten, "/run/a.sock", "/run/b.sock"));
}

TEST(ConfigEdit, a_value_that_needs_quotes_gets_them) {
  EXPECT_EQ(edited(0, "[::1]:6379"), replaced(kWritten, "10.0.0.1:6379", "\"[::1]:6379\""));
  EXPECT_EQ(edited(3, "unix:/a #b"), replaced(kWritten, "10.0.0.4:6379", "\"unix:/a #b\""));
  EXPECT_EQ(edited(3, "unix:/\"\\"), replaced(kWritten, "10.0.0.4:6379", "\"unix:/\\\"\\\\\""));
  EXPECT_EQ(edited(1, "unix:/\"\\"), replaced(kWritten, "10.0.0.2:6379", "unix:/\\\"\\\\"));
  EXPECT_EQ(edited(2, "unix:/it's"), replaced(kWritten, "10.0.0.3:6379", "unix:/it''s"));
}

TEST(ConfigEdit, what_is_no_simple_value_is_refused) {
  EXPECT_NE(edited(6, "h:1").find("an anchor, an alias"), std::string::npos) << edited(6, "h:1");
  for (const Position at : {Position{99, 1}, Position{1, 99}}) {
    auto none = with_scalar(kWritten, at, "h:1");
    ASSERT_FALSE(none.has_value());
    EXPECT_EQ(none.error().code(), Code::kNotSupported);
  }
  EXPECT_FALSE(with_scalar("a: \"open", {1, 4}, "h:1").has_value());
}

TEST(ConfigEdit, a_byte_order_mark_moves_nothing) {
  const std::string marked =
      "\xef\xbb\xbf"
      "a: b\n";
  EXPECT_EQ(with_scalar(marked, {1, 4}, "c").value_or(""),
            "\xef\xbb\xbf"
            "a: c\n");
}

}  // namespace
}  // namespace tlog::config
