// What addresses may hold.
#include <gtest/gtest.h>

#include "gateways/http/request.h"

namespace tlog::gateway {
namespace {

TEST(PercentDecode, takes_what_is_right) {
  EXPECT_EQ(percent_decode("/a%20b%C3%A9%7e", EncodedSlash::kRefused).value(), "/a b\xc3\xa9~");
  EXPECT_EQ(percent_decode("", EncodedSlash::kRefused).value(), "");
  EXPECT_EQ(percent_decode("a%2Fb", EncodedSlash::kTaken).value(), "a/b");
}

TEST(PercentDecode, refuses_what_is_not) {
  for (const char* bad : {"%", "%4", "a%", "%zz", "%4g", "%00", "%0a", "%7F", "a\nb", "%2f"}) {
    auto decoded = percent_decode(bad, EncodedSlash::kRefused);
    ASSERT_FALSE(decoded) << bad;
    EXPECT_EQ(decoded.error().code(), Code::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace tlog::gateway
