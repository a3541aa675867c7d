// Goal: whatever a peer sends for a message is refused or is a message: no crash, no endless work,
// no memory by a length that only was claimed. And what a newer version says is told from damage.
// Method: bytes of good messages are changed, most with the checksum put right again, as only a
// peer can; and messages are put together by hand, word by word.
#include <gtest/gtest.h>

#include "server/protocol/frame.h"
#include "tests/support/protocol_samples.h"

namespace tlog::protocol {
namespace {

using testing::sample_messages;

constexpr std::size_t kChecksum = 4;
constexpr std::size_t kKindAt = 16;  // framing, the root's pointer, then the union's tag

Buffer with_right_checksum(ConstByteSpan changed) {
  Buffer body = Buffer::copy_of(changed);
  testing::fix_body_checksum(body.span(), body.size() - kChecksum);
  return body;
}

// Words behind a right framing, with a right checksum.
Buffer body_of(std::span<const std::uint64_t> words) {
  Buffer body(8 + words.size_bytes() + kChecksum);
  const std::uint64_t framing = std::uint64_t{words.size()} << 32;
  std::memcpy(body.data(), &framing, 8);
  std::memcpy(body.data() + 8, words.data(), words.size_bytes());
  testing::fix_body_checksum(body.span(), body.size() - kChecksum);
  return body;
}

constexpr std::uint64_t struct_pointer(std::uint64_t data_words, std::uint64_t pointers) {
  return data_words << 32 | pointers << 48;
}
// A message's tag and the pointer to its struct, which is right behind.
std::vector<std::uint64_t> message_words(std::uint64_t kind, std::uint64_t data_words,
                                         std::uint64_t pointers) {
  return {struct_pointer(1, 1), kind, struct_pointer(data_words, pointers)};
}
constexpr std::uint64_t kProgressKind = 6;
constexpr std::uint64_t kReplyKind = 11;

void expect_refused(ConstByteSpan body, Code code, std::string_view what) {
  auto decoded = decode(body);
  ASSERT_FALSE(decoded) << what << ": " << message_name(*decoded);
  EXPECT_EQ(decoded.error().code(), code) << what << ": " << decoded.error().message();
}

// Refused with a reason, or a message that can be sent on.
void expect_harmless(ConstByteSpan body) {
  auto decoded = decode(body);
  if (!decoded) {
    EXPECT_TRUE(decoded.error().code() == Code::kCorruption ||
                decoded.error().code() == Code::kNotSupported)
        << decoded.error().message();
    return;
  }
  EXPECT_TRUE(decode(encode(*decoded).span())) << message_name(*decoded);
}

TEST(HostileMessage, every_truncation_is_corruption) {
  for (const Message& message : sample_messages()) {
    const Buffer good = encode(message);
    for (std::size_t length = 0; length < good.size(); ++length) {
      expect_refused(good.span().first(length), Code::kCorruption, message_name(message));
      if (length < kChecksum) continue;
      const Buffer right = with_right_checksum(good.span().first(length));
      expect_refused(right.span(), Code::kCorruption, message_name(message));
    }
  }
}

TEST(HostileMessage, a_message_that_ends_early_is_corruption_or_a_smaller_one) {
  for (const Message& message : sample_messages()) {
    const Buffer good = encode(message);
    const std::size_t words = (good.size() - 8 - kChecksum) / 8;
    std::vector<std::uint64_t> all(words);
    std::memcpy(all.data(), good.data() + 8, words * 8);
    for (std::size_t some = 0; some < words; ++some)
      expect_harmless(body_of(std::span(all).first(some)).span());
  }
}

TEST(HostileMessage, trailing_bytes_are_corruption) {
  const Buffer good = encode(testing::sample_welcome());
  for (std::size_t more : {1U, 4U, 8U, 16U}) {
    Buffer longer(good.size() + more);
    std::memset(longer.data(), 0, longer.size());
    std::memcpy(longer.data(), good.data(), good.size());
    expect_refused(longer.span(), Code::kCorruption, "longer");
    expect_refused(with_right_checksum(longer.span()).span(), Code::kCorruption, "longer");
  }
}

TEST(HostileMessage, every_changed_byte_is_seen) {
  for (const Message& message : sample_messages()) {
    const Buffer good = encode(message);
    for (std::size_t at = 0; at < good.size(); ++at) {
      Buffer bad = Buffer::copy_of(good.span());
      bad.data()[at] ^= std::byte{0x10};
      expect_refused(bad.span(), Code::kCorruption, message_name(message));
    }
  }
}

TEST(HostileMessage, every_changed_byte_with_a_right_checksum_is_harmless) {
  for (const Message& message : sample_messages()) {
    const Buffer good = encode(message);
    for (std::size_t at = 0; at + kChecksum < good.size(); ++at) {
      for (unsigned mask : {0x01U, 0x02U, 0x10U, 0x80U, 0xffU}) {
        Buffer bad = Buffer::copy_of(good.span());
        bad.data()[at] ^= static_cast<std::byte>(mask);
        expect_harmless(with_right_checksum(bad.span()).span());
      }
    }
  }
}

// To themselves, far away, to lists of 2^29 elements, to lists whose elements have no size.
TEST(HostileMessage, pointers_that_lie_are_harmless) {
  const std::uint64_t lies[] = {0xffffffff'fffffffd, 0xffffffff'fffffff9, 0xfffffff8'fffffffd,
                                0x00000007'fffffffd, 0xffffffff'fffffffc, 0xffffffff'fffffffe,
                                0x00000000'00000002, 0xffffffff'00000002, 0x00000000'00000006,
                                0xffffffff'ffffffff, 0x00010001'fffffffc, 0xfffffff8'00000001,
                                0xffffffff'00000001, 0xfffffffd'00000001, 0xfffffffa'00000001};
  for (const Message& message : sample_messages()) {
    const Buffer good = encode(message);
    for (std::uint64_t lie : lies) {
      for (std::size_t at = 8; at + 8 + kChecksum <= good.size(); at += 8) {
        Buffer bad = Buffer::copy_of(good.span());
        std::memcpy(bad.data() + at, &lie, 8);
        expect_harmless(with_right_checksum(bad.span()).span());
      }
    }
  }
}

TEST(HostileMessage, segments_that_are_not_ours_are_corruption) {
  const Buffer good = encode(testing::sample_welcome());
  for (std::uint32_t segments : {1U, 2U, 511U, 0x7fffffffU, 0xffffffffU}) {
    Buffer bad = Buffer::copy_of(good.span());
    std::memcpy(bad.data(), &segments, 4);
    expect_refused(with_right_checksum(bad.span()).span(), Code::kCorruption, "segments");
  }
  for (std::uint32_t words : {0U, 1U, 0x7fffffffU, 0xffffffffU}) {
    Buffer bad = Buffer::copy_of(good.span());
    std::memcpy(bad.data() + 4, &words, 4);
    expect_refused(with_right_checksum(bad.span()).span(), Code::kCorruption, "words");
  }
}

constexpr std::uint64_t list_pointer(std::uint64_t offset, std::uint64_t element,
                                     std::uint64_t count) {
  return 1 | offset << 2 | element << 32 | count << 35;
}

TEST(HostileMessage, a_list_of_half_a_billion_is_corruption) {
  // Reply: id, status; reason, sequences, text. Elements of no bytes, one bit, one byte, eight
  // bytes, and structs of no words.
  constexpr std::uint64_t kMost = (1 << 29) - 1;
  for (std::uint64_t element : {0U, 1U, 2U, 5U}) {
    auto words = message_words(kReplyKind, 2, 3);
    words.insert(words.end(), {7, 0, 0, list_pointer(1, element, kMost), 0, 0});
    expect_refused(body_of(words).span(), Code::kCorruption, "list");
  }
  auto words = message_words(kReplyKind, 2, 3);
  words.insert(words.end(), {7, 0, 0, list_pointer(1, 7, 0), 0, kMost << 2});
  expect_refused(body_of(words).span(), Code::kCorruption, "list of structs");
  words[6] = 0;
  words[7] = list_pointer(0, 2, kMost);
  expect_refused(body_of(words).span(), Code::kCorruption, "text");
}

// All lists are the same words, as large as a list may be: what is read is bounded all the same.
TEST(HostileMessage, words_that_are_read_again_and_again_are_bounded) {
  constexpr std::uint64_t kBytes = 2;  // sizes of elements
  constexpr std::uint64_t kWords = 5;
  constexpr std::size_t kReasonAt = 5, kSequencesAt = 6, kTextAt = 7, kListAt = 8;
  const std::uint64_t count = kReplySequencesMax;
  auto words = message_words(kReplyKind, 2, 3);
  words.insert(words.end(), {7, 0, 0, list_pointer(1, kWords, count), 0});
  ASSERT_EQ(words.size(), kListAt);
  words.resize(words.size() + count + 1);
  auto decoded = decode(body_of(words).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(std::get<Reply>(*decoded).sequences.size(), count);
  words[kTextAt] = list_pointer(0, kBytes, 8 * count);
  EXPECT_TRUE(decode(body_of(words).span())) << "twice is no more than it may be";
  words[kReasonAt] = list_pointer(2, kBytes, 8 * count);
  expect_refused(body_of(words).span(), Code::kCorruption, "three times");
  words[kReasonAt] = words[kTextAt] = 0;
  words[kSequencesAt] = list_pointer(1, kWords, count + 1);
  expect_refused(body_of(words).span(), Code::kCorruption, "more than can be sent");
}

TEST(HostileMessage, a_text_without_its_end_is_corruption) {
  Buffer body = encode(Refusal{.code = Code::kFenced, .reason = std::string(15, 'x')});
  body.data()[body.size() - kChecksum - 1] = std::byte{'x'};
  expect_refused(with_right_checksum(body.span()).span(), Code::kCorruption, "text");
}

TEST(HostileMessage, what_cannot_be_is_corruption) {
  Hello hello = testing::sample_hello();
  hello.version_min = 0;
  expect_refused(encode(hello).span(), Code::kCorruption, "version 0");
  hello.version_min = 2;
  hello.version_max = 1;
  expect_refused(encode(hello).span(), Code::kCorruption, "versions 2 to 1");
  hello = testing::sample_hello();
  hello.format.data_shards = kDataShardsMax + 1;
  expect_refused(encode(hello).span(), Code::kCorruption, "k");
  hello.format.data_shards = 0;  // the server's
  hello.format.parity_shards = kParityShardsMax + 1;
  expect_refused(encode(hello).span(), Code::kCorruption, "m");
  hello.format.parity_shards = 0;
  EXPECT_TRUE(decode(encode(hello).span()));
  hello.format.size = kVdiskSizeMax + 1;
  expect_refused(encode(hello).span(), Code::kCorruption, "size");
  Welcome welcome = testing::sample_welcome();
  welcome.version = 0;
  expect_refused(encode(welcome).span(), Code::kCorruption, "version 0");
}

// Zeros are no message, and none whose struct is left out is taken for one that says something.
TEST(HostileMessage, zeros_say_nothing) {
  expect_refused(body_of(std::vector<std::uint64_t>{0}).span(), Code::kCorruption, "null");
  expect_refused(body_of(std::vector<std::uint64_t>{struct_pointer(1, 1), 0, 0}).span(),
                 Code::kCorruption, "nothing");
  for (std::uint64_t kind : {1U, 2U, 3U, 13U}) {  // Hello, Welcome, Refusal, Disconnect
    expect_refused(body_of(std::vector<std::uint64_t>{struct_pointer(1, 1), kind, 0}).span(),
                   Code::kCorruption, "without a struct");
  }
}

TEST(HostileMessage, a_kind_of_a_newer_version_is_not_supported) {
  for (const Message& message : sample_messages()) {
    for (unsigned kind : {14U, 15U, 255U}) {
      Buffer body = encode(message);
      body.data()[kKindAt] = static_cast<std::byte>(kind);
      expect_refused(with_right_checksum(body.span()).span(), Code::kNotSupported, "kind");
    }
  }
}

TEST(HostileMessage, a_role_of_a_newer_version_is_not_supported) {
  constexpr std::size_t kRoleAt = 36;  // Hello is behind the message's two words
  Buffer body = encode(testing::sample_hello());
  ASSERT_EQ(body.data()[kRoleAt], std::byte{1});
  body.data()[kRoleAt] = std::byte{3};
  expect_refused(with_right_checksum(body.span()).span(), Code::kNotSupported, "role");
  body.data()[kRoleAt] = std::byte{0};
  expect_refused(with_right_checksum(body.span()).span(), Code::kCorruption, "no role");
}

// A new kind of error is not a reason to understand nothing.
TEST(HostileMessage, an_error_of_a_newer_version_is_unavailable) {
  Buffer body = encode(Disconnect{.code = Code::kFenced, .reason = "why"});
  constexpr std::size_t kStatusAt = 32;
  ASSERT_EQ(body.data()[kStatusAt], std::byte{10});
  body.data()[kStatusAt] = std::byte{99};
  auto decoded = decode(with_right_checksum(body.span()).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(std::get<Disconnect>(*decoded).code, Code::kUnavailable);
  EXPECT_EQ(std::get<Disconnect>(*decoded).reason, "why");
}

TEST(HostileMessage, fields_that_an_older_version_does_not_send_are_zero) {
  auto words = message_words(kProgressKind, 2, 0);
  words.insert(words.end(), {1100, 1075});
  auto decoded = decode(body_of(words).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(std::get<Progress>(*decoded),
            (Progress{.received = 1100, .stored = 1075, .synced = 0}));
}

TEST(HostileMessage, fields_that_a_newer_version_sends_are_skipped) {
  auto words = message_words(kProgressKind, 5, 1);
  words.insert(words.end(), {1100, 1075, 1050, ~std::uint64_t{0}, 42, 0});
  auto decoded = decode(body_of(words).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(std::get<Progress>(*decoded),
            (Progress{.received = 1100, .stored = 1075, .synced = 1050}));
}

}  // namespace
}  // namespace tlog::protocol
