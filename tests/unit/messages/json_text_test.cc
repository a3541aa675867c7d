// What clients send: a message is taken as it was meant, or refused with the reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateways/messages/json_text.h"

namespace tlog::messages {
namespace {

using ::testing::HasSubstr;

TEST(JsonText, APostedMessage) {
  const auto posted = read_posted(R"({"w":2,"message":"before \"upgrade\""})", 3);
  ASSERT_TRUE(posted.has_value()) << posted.error().message();
  EXPECT_EQ(posted->text, "before \"upgrade\"");
  EXPECT_EQ(posted->w, 2u);
}

TEST(JsonText, WithoutWAllNodesAreWanted) {
  const auto posted = read_posted(R"({"message":"a"})", 5);
  ASSERT_TRUE(posted.has_value()) << posted.error().message();
  EXPECT_EQ(posted->w, 5u);
}

TEST(JsonText, WIsAWholeNumberOfNodes) {
  for (const char* w : {"0", "4", "-1", "1.0", "1e0", "true", "null", "\"1\"", "[]", "{}",
                        "18446744073709551616", "4294967297"}) {
    const auto posted = read_posted(std::string(R"({"message":"a","w":)") + w + "}", 3);
    ASSERT_FALSE(posted.has_value()) << w;
    EXPECT_EQ(posted.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(posted.error().message(), HasSubstr("w: "));
    EXPECT_THAT(posted.error().message(), HasSubstr("from 1 to 3"));
  }
}

TEST(JsonText, WhatIsNoObjectWithAMessageIsRefused) {
  for (const char* body :
       {"", "{", "[]", "1", "null", "\"a\"", "{}", R"({"message":1})", R"({"message":null})",
        R"({"message":""})", R"({"message":"a"}x)", R"({"message":"a","w":1,})",
        "{\"message\":\"\xff\"}", "{\"message\":\"a\"}\n{\"message\":\"b\"}"}) {
    EXPECT_FALSE(read_posted(body, 3).has_value()) << body;
  }
}

TEST(JsonText, WhatCannotBeReadIsRefusedWithThePlaceInIt) {
  const auto posted = read_posted("{\"message\": \"a\" \"w\": 2}", 3);
  ASSERT_FALSE(posted);
  EXPECT_THAT(
      posted.error().message(),
      ::testing::AllOf(::testing::StartsWith("the body is not a JSON object: parse error at "
                                             "line 1, column "),
                       ::testing::Not(HasSubstr("exception"))));
}

TEST(JsonText, DepthCostsNoStack) {
  EXPECT_FALSE(read_posted(std::string(1'000'000, '['), 3).has_value());
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += R"({"a":)";
  EXPECT_FALSE(read_posted(nested + "1" + std::string(100'000, '}'), 3).has_value());
}

TEST(JsonText, BytesThatAreNoTextAreShownAllTheSame) {
  EXPECT_EQ(json_quoted("a\xff"
                        "b"),
            "\"a\xef\xbf\xbd"
            "b\"");
  EXPECT_EQ(json_quoted(std::string_view("\0\n", 2)), "\"\\u0000\\n\"");
}

TEST(JsonText, TimesAreUtcToTheNanosecond) {
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(time_text(1'700'000'000'000'000'001), "2023-11-14T22:13:20.000000001Z");
}

}  // namespace
}  // namespace tlog::messages
