// Goal: what was found in a server is never taken for something else: a wiped, swapped, copied or
// foreign server is told apart from the right one and from a new one.
#include "tlog/store/resp_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tlog::store {
namespace {

using ::testing::HasSubstr;

Uuid uuid(std::uint8_t byte) {
  Uuid result;
  result.bytes.fill(byte);
  return result;
}

const Uuid kVdisk = uuid(1);

Expectation expecting(std::size_t index = 0) {
  return {.vdisk = kVdisk,
          .index = index,
          .servers = {{.server = uuid(10), .since = 3, .address = "old:1"},
                      {.server = uuid(11), .since = 3, .address = "old:2"},
                      {}}};
}

FoundIdentity found(const Uuid& server, const Mark& mark) {
  return {.server = server.text(), .mark = encode_mark(mark), .run = ""};
}

TEST(RespIdentity, a_mark_comes_back_and_nothing_else_is_one) {
  const Mark mark{.vdisk = kVdisk, .server = uuid(10), .since = 18'446'744'073'709'551'615U};
  const std::string text = encode_mark(mark);
  auto decoded = decode_mark(text);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, mark);
  for (std::size_t length = 0; length < text.size(); ++length) {
    auto part = decode_mark(text.substr(0, length));
    if (part) {  // a shorter epoch is an epoch
      EXPECT_NE(*part, mark);
    }
  }
  for (const std::string& bad : {text + " ", text + "x", " " + text, std::string("x")}) {
    EXPECT_FALSE(decode_mark(bad)) << bad;
  }
}

TEST(RespIdentity, the_right_one_is_ours) {
  const Verdict verdict =
      judge(expecting(), found(uuid(10), {.vdisk = kVdisk, .server = uuid(10), .since = 3}));
  EXPECT_EQ(verdict.standing, Standing::kOurs);
  EXPECT_EQ(verdict.mark.since, 3U);
}

TEST(RespIdentity, an_empty_one_is_new_only_where_none_was_known) {
  EXPECT_EQ(judge(expecting(2), {}).standing, Standing::kNew);
  EXPECT_EQ(judge(expecting(7), {}).standing, Standing::kNew);
  const Verdict verdict = judge(expecting(0), {});
  EXPECT_EQ(verdict.standing, Standing::kWiped);
  EXPECT_EQ(verdict.error.code(), Code::kUnavailable);
  EXPECT_THAT(verdict.error.message(), HasSubstr("wiped: it is empty"));
  EXPECT_EQ(verdict.mark.server, uuid(10)) << "it keeps its name, for the others who know it";
}

TEST(RespIdentity, half_of_an_identity_is_wiped_too) {
  FoundIdentity no_mark{.server = uuid(10).text(), .mark = "", .run = ""};
  EXPECT_EQ(judge(expecting(), no_mark).standing, Standing::kWiped);
  FoundIdentity no_server{.server = "",
                          .mark = encode_mark({.vdisk = kVdisk, .server = uuid(10), .since = 3}),
                          .run = ""};
  EXPECT_EQ(judge(expecting(), no_server).standing, Standing::kWiped);
  EXPECT_EQ(judge(expecting(2), no_server).standing, Standing::kWiped);
  // Other vdisks use it, this one not yet.
  FoundIdentity of_others{.server = uuid(20).text(), .mark = "", .run = ""};
  EXPECT_EQ(judge(expecting(2), of_others).standing, Standing::kNew);
  EXPECT_EQ(judge(expecting(2), of_others).mark.server, uuid(20));
}

TEST(RespIdentity, every_other_server_is_a_mismatch_that_says_which_and_what_to_do) {
  struct {
    std::size_t index;
    FoundIdentity found;
    std::string words;
  } const cases[] = {
      {0, found(uuid(11), {.vdisk = kVdisk, .server = uuid(11), .since = 3}),
       "it is server 2 (then at old:2) of this vdisk, not server 1"},
      {2, {.server = uuid(10).text(), .mark = "", .run = ""}, "swapped or given twice"},
      {0, {.server = uuid(20).text(), .mark = "", .run = ""}, "it is another server"},
      {0, found(uuid(10), {.vdisk = uuid(2), .server = uuid(10), .since = 3}),
       "another vdisk of this name"},
      {0, found(uuid(10), {.vdisk = kVdisk, .server = uuid(30), .since = 3}), "copied from"},
      {0, found(uuid(10), {.vdisk = kVdisk, .server = uuid(10), .since = 2}), "an older state"},
      {0, {.server = "me", .mark = "", .run = ""}, "another program"},
      {0, {.server = uuid(10).text(), .mark = "me", .run = ""}, "none of ours"},
  };
  for (const auto& each : cases) {
    const Verdict verdict = judge(expecting(each.index), each.found);
    EXPECT_EQ(verdict.standing, Standing::kMismatch) << each.words;
    EXPECT_EQ(verdict.error.code(), Code::kInvalidArgument) << each.words;
    EXPECT_THAT(verdict.error.message(), HasSubstr(each.words));
  }
}

TEST(RespIdentity, a_mark_newer_than_the_record_is_not_trusted_with_old_values) {
  const Verdict verdict =
      judge(expecting(), found(uuid(10), {.vdisk = kVdisk, .server = uuid(10), .since = 4}));
  EXPECT_EQ(verdict.standing, Standing::kWiped);
}

}  // namespace
}  // namespace tlog::store
