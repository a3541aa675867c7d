// Goal: every message comes back as it was sent, every field of it; what cannot be sent is cut or
// refused, never mistaken for something else.
#include "server/protocol/message.h"

#include <gtest/gtest.h>

#include <set>

#include "server/protocol/frame.h"
#include "tests/support/protocol_samples.h"

namespace tlog::protocol {
namespace {

using testing::sample_hello;
using testing::sample_messages;
using testing::sample_welcome;

Message round_trip(const Message& message) {
  auto decoded = decode(encode(message).span());
  EXPECT_TRUE(decoded) << decoded.error().message();
  return decoded ? std::move(*decoded) : Message(Attached{});
}

template <class T>
void expect_same(const T& value) {
  const Message decoded = round_trip(value);
  ASSERT_TRUE(std::holds_alternative<T>(decoded)) << message_name(decoded);
  EXPECT_EQ(std::get<T>(decoded), value) << message_name(decoded);
}
void expect_same(const Reply& reply) {
  const Message decoded = round_trip(reply);
  ASSERT_TRUE(std::holds_alternative<Reply>(decoded));
  const Reply& other = std::get<Reply>(decoded);
  EXPECT_EQ(other.id, reply.id);
  EXPECT_EQ(other.sequences, reply.sequences);
  EXPECT_EQ(other.text, reply.text);
  ASSERT_EQ(other.error.has_value(), reply.error.has_value());
  if (!reply.error) return;
  EXPECT_EQ(other.error->code(), reply.error->code());
  EXPECT_EQ(other.error->message(), reply.error->message());
}

TEST(Message, every_one_comes_back) {
  std::set<std::string_view> names;
  for (const Message& message : sample_messages()) {
    std::visit([](const auto& value) { expect_same(value); }, message);
    names.insert(message_name(message));
  }
  EXPECT_EQ(names.size(), std::variant_size_v<Message>) << "a sample of each kind";
}

TEST(Message, every_one_comes_back_with_nothing_in_it) {
  expect_same(Hello{});
  expect_same(Welcome{});
  expect_same(Refusal{});
  expect_same(Attach{});
  expect_same(Attached{});
  expect_same(Progress{});
  expect_same(ForceFlush{});
  expect_same(WaitSlaveSync{});
  expect_same(StatusRequest{});
  expect_same(ReadLog{});
  expect_same(Reply{});
  expect_same(Echo{});
  expect_same(Disconnect{});
}

TEST(Message, each_field_alone_comes_back) {
  Hello hello;
  hello.role = Role::kReader;
  expect_same(hello);
  hello.may_create = true;
  expect_same(hello);
  hello.may_create = false;
  hello.take_over = true;
  expect_same(hello);
  hello.version_max = 65535;
  expect_same(hello);
  hello.version_min = 2;
  expect_same(hello);
  hello.format.name = std::string("a\0b", 3);
  expect_same(hello);
  Welcome welcome;
  welcome.created = true;
  expect_same(welcome);
  welcome.settings.slave_sync = true;
  expect_same(welcome);
}

TEST(Message, every_code_comes_back) {
  for (Code code :
       {Code::kInvalidArgument, Code::kNotFound, Code::kAlreadyExists, Code::kCorruption,
        Code::kWrongKey, Code::kIoError, Code::kNoSpace, Code::kUnavailable, Code::kTimeout,
        Code::kFenced, Code::kShutdown, Code::kNotSupported}) {
    expect_same(Refusal{.code = code, .reason = "why"});
    expect_same(Disconnect{.code = code, .reason = "why"});
    expect_same(Reply{.id = 1, .error = Error(code, "why"), .sequences = {}, .text = {}});
  }
}

// Fields may lie anywhere in the buffer that a frame was received into.
TEST(Message, what_is_not_aligned_is_read_all_the_same) {
  const Buffer body = encode(sample_welcome());
  for (std::size_t shift = 1; shift < 8; ++shift) {
    Buffer shifted(body.size() + shift);
    std::memcpy(shifted.data() + shift, body.data(), body.size());
    auto decoded = decode(shifted.span().subspan(shift));
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(std::get<Welcome>(*decoded), sample_welcome());
  }
}

TEST(Message, the_largest_of_each_can_be_sent) {
  const std::string text(kTextMax, 'x');
  Hello hello = sample_hello();
  hello.client = hello.format.name = text;
  expect_same(hello);
  Welcome welcome = sample_welcome();
  welcome.format.name = text;
  expect_same(welcome);
  expect_same(Refusal{.code = Code::kFenced, .reason = text});
  expect_same(Disconnect{.code = Code::kFenced, .reason = text});
  const Reply reply{.id = 1,
                    .error = Error(Code::kFenced, text),
                    .sequences = std::vector<Sequence>(kReplySequencesMax, 7),
                    .text = std::string(kReplyTextMax, 'x')};
  expect_same(reply);
  EXPECT_LE(encode(reply).size(), kMessageBytesMax);
}

TEST(Message, a_text_for_people_is_cut) {
  const std::string two_bytes = "\xc3\xbc";  // one letter
  std::string reason(kTextMax - 1, 'x');
  const Message decoded = round_trip(Refusal{.code = Code::kFenced, .reason = reason + two_bytes});
  EXPECT_EQ(std::get<Refusal>(decoded).reason, reason) << "half a letter is not sent";
  reason += "yz";
  Hello hello = sample_hello();
  hello.client = reason;
  EXPECT_EQ(std::get<Hello>(round_trip(hello)).client, reason.substr(0, kTextMax));
  const Reply reply{.id = 1,
                    .error = Error(Code::kFenced, std::string(10 * kMiB, 'x')),
                    .sequences = {},
                    .text = {}};
  EXPECT_EQ(std::get<Reply>(round_trip(reply)).error->message().size(), kTextMax);
}

// Cut to a shorter one it would be another vdisk.
TEST(Message, a_name_that_is_too_long_is_refused) {
  Hello hello = sample_hello();
  hello.format.name.assign(10 * kTextMax, 'x');
  auto decoded = decode(encode(hello).span());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), Code::kCorruption);
}

TEST(Message, a_reply_that_is_too_long_becomes_an_error) {
  for (const Reply& reply :
       {Reply{.id = 9, .error = {}, .sequences = {}, .text = std::string(kReplyTextMax + 1, 'x')},
        Reply{.id = 9,
        .error = {},
        .sequences = std::vector<Sequence>(kReplySequencesMax + 1, 1),
        .text = {}}}) {
    const Message decoded = round_trip(reply);
    const Reply& sent = std::get<Reply>(decoded);
    EXPECT_EQ(sent.id, 9u);
    ASSERT_TRUE(sent.error);
    EXPECT_EQ(sent.error->code(), Code::kNotSupported);
    EXPECT_TRUE(sent.text.empty());
    EXPECT_TRUE(sent.sequences.empty());
  }
}

TEST(Message, the_highest_common_version_is_chosen) {
  Hello hello;
  EXPECT_EQ(*choose_version(hello), kVersion);
  hello.version_max = kVersion + 7;  // a newer client that still speaks ours
  EXPECT_EQ(*choose_version(hello), kVersion);
  hello.version_min = kVersion + 1;  // one that does not any more
  auto version = choose_version(hello);
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code(), Code::kNotSupported);
  EXPECT_NE(version.error().message().find("versions 2 to 8"), std::string::npos);
  EXPECT_NE(version.error().message().find("the server 1 to 1"), std::string::npos);
  hello.version_min = hello.version_max = 0;  // an old one, were there any
  EXPECT_FALSE(choose_version(hello));
}

}  // namespace
}  // namespace tlog::protocol
