// What the grammar takes and refuses: nothing else may be taken for a log or a slice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/logset/noted_slices.h"

namespace tlog::logset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Result<LogLengths> parsed_offsets(std::string_view text) {
  OffsetsParser parser;
  TLOG_ASSIGN(const std::size_t used, parser.take(bytes_in(text)));
  TLOG_TRY(parser.finish());
  EXPECT_EQ(used, text.size());
  return parser.lengths();
}

Status parsed_slices(NotedSlices& noted, std::string_view text) {
  SliceParser parser(noted);
  TLOG_TRY(parser.take(bytes_in(text)));
  return parser.finish();
}

TEST(LogsetGrammar, offsets_are_read) {
  EXPECT_TRUE(parsed_offsets("\n").value().empty());
  EXPECT_THAT(parsed_offsets("a 0\nB9 12\n\n").value(), ElementsAre(Pair("B9", 12), Pair("a", 0)));
  EXPECT_THAT(parsed_offsets("a 5\na 3\n\n").value(), ElementsAre(Pair("a", 3)));
  EXPECT_THAT(parsed_offsets("a +3\nb 03\nc 3\r\n\r\n").value(),
              ElementsAre(Pair("a", 3), Pair("b", 3), Pair("c", 3)));
}

TEST(LogsetGrammar, what_are_no_offsets_is_refused) {
  const std::string long_name(kLogNameMax + 1, 'x');
  for (const std::string& bad :
       {std::string(), std::string("a 1\n"), std::string("a 1"), std::string("a -1\n\n"),
        std::string("a x\n\n"), std::string("a\n\n"), std::string("a 1 2\n\n"),
        std::string("a  1\n\n"), std::string(" a 1\n\n"), std::string("a_b 1\n\n"),
        std::string("../a 1\n\n"), std::string("a 99999999999999999999\n\n"),
        std::string("a 9223372036854775807\n\n"), std::string("a\0b 1\n\n", 8),
        long_name + " 1\n\n", std::string(kLineMax + 1, 'x')}) {
    auto parsed = parsed_offsets(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(LogsetGrammar, slices_are_read) {
  NotedSlices noted;
  ASSERT_TRUE(parsed_slices(noted, std::string("a 0 2\n\n\0b 3 10\na 1 2\nxxx\nz 9 1\n!", 32)));
  EXPECT_THAT(noted.slices,
              ElementsAre(NotedSlices::Slice{{"a", 0, 2}, std::string("\n\0", 2), true},
                          NotedSlices::Slice{{"b", 3, 10}, "a 1 2\nxxx\n", true},
                          NotedSlices::Slice{{"z", 9, 1}, "!", true}));
  noted.slices.clear();
  EXPECT_TRUE(parsed_slices(noted, ""));
  EXPECT_TRUE(noted.slices.empty());
}

TEST(LogsetGrammar, what_are_no_slices_is_refused) {
  for (const std::string& bad :
       {std::string("\n"), std::string("a 0 0\n"), std::string("a 0\nx"), std::string("a 0 -1\nx"),
        std::string("a x 1\nx"), std::string("a-b 0 1\nx"), std::string("a 0 1 2\nx"),
        std::string("a 0 2\nx"), std::string("a 0 1"), std::string("a 0 1\n"),
        std::string("a 0 1\nxb"), std::string(kLineMax + 1, 'x')}) {
    NotedSlices noted;
    const Status parsed = parsed_slices(noted, bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument) << bad;
    if (!noted.slices.empty() && bad != "a 0 1\nxb") {
      EXPECT_FALSE(noted.slices.back().ended) << bad;
    }
  }
}

TEST(LogsetGrammar, what_the_visitor_refuses_ends_it) {
  NotedSlices noted;
  noted.refuse = "b";
  const Status parsed = parsed_slices(noted, "a 0 1\nxb 0 1\nyc 0 1\nz");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::kFenced);
  EXPECT_EQ(noted.slices.size(), 2u);
}

}  // namespace
}  // namespace tlog::logset
