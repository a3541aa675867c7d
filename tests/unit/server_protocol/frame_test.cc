// Goal: no byte of a frame's head can change unseen, and no length makes anybody allocate more than
// the limits.
#include "server/protocol/frame.h"

#include <gtest/gtest.h>

#include "server/protocol/batch.h"
#include "tlog/base/crc32c.h"

namespace tlog::protocol {
namespace {

using Head = std::array<std::byte, kFrameHeadBytes>;

// `head` with one byte changed and its checksum put right.
Head with_byte(Head head, std::size_t at, unsigned value) {
  head[at] = static_cast<std::byte>(value);
  const std::uint32_t checksum = crc32c(std::span(head).first<12>());
  std::memcpy(head.data() + 12, &checksum, sizeof checksum);
  return head;
}

void expect_corruption(const Head& head, std::string_view what) {
  auto decoded = decode_head(head);
  ASSERT_FALSE(decoded) << what;
  EXPECT_EQ(decoded.error().code(), Code::kCorruption) << what;
  EXPECT_NE(decoded.error().message().find(what), std::string::npos) << decoded.error().message();
}

TEST(Frame, round_trip) {
  for (auto [type, length] :
       {std::pair(FrameType::kMessage, 0U), std::pair(FrameType::kMessage, kMessageBytesMax),
        std::pair(FrameType::kRecords, 1U),
        std::pair(FrameType::kRecords, std::uint32_t{kBatchFrameMax})}) {
    auto decoded = decode_head(encode_head({.type = type, .length = length}));
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(decoded->type, type);
    EXPECT_EQ(decoded->length, length);
  }
}

TEST(Frame, every_changed_bit_is_seen) {
  const Head good = encode_head({.type = FrameType::kRecords, .length = 0x00010203});
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Head bad = good;
    bad[bit / 8] ^= std::byte(1 << bit % 8);
    auto decoded = decode_head(bad);
    ASSERT_FALSE(decoded) << bit;
    EXPECT_EQ(decoded.error().code(), Code::kCorruption);
  }
}

TEST(Frame, what_no_version_knows_is_refused) {
  const Head good = encode_head({.type = FrameType::kMessage, .length = 64});
  ASSERT_TRUE(decode_head(with_byte(good, 4, 2)));  // records: only the byte is another
  for (unsigned type : {0U, 3U, 255U}) expect_corruption(with_byte(good, 4, type), "type");
  expect_corruption(with_byte(good, 5, 1), "reserved");
  expect_corruption(with_byte(good, 6, 1), "reserved");
  expect_corruption(with_byte(good, 7, 0x80), "reserved");
  expect_corruption(with_byte(good, 3, '2'), "begins with 746c6732");
}

TEST(Frame, a_length_above_the_limit_is_refused) {
  expect_corruption(encode_head({.type = FrameType::kMessage, .length = kMessageBytesMax + 1}),
                    "more than 1048576");
  expect_corruption(
      encode_head({.type = FrameType::kRecords, .length = std::uint32_t{kBatchFrameMax} + 1}),
      "more than 16777216");
  expect_corruption(encode_head({.type = FrameType::kRecords, .length = 0xffffffff}), "more than");
}

// Two different ends of one connection: what arrives is the beginning of a TLS handshake.
TEST(Frame, a_client_that_uses_tls_is_named_in_the_reason) {
  Head hello{};
  hello[0] = std::byte{0x16};
  hello[1] = std::byte{0x03};
  expect_corruption(hello, "TLS");
}

}  // namespace
}  // namespace tlog::protocol
