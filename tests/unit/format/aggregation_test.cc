// Goal: what is encoded is decoded, and nothing else is. Method: round trips, one broken rule at a
// time, damaged bytes.
#include "tlog/format/aggregation.h"

#include <gtest/gtest.h>

#include "tests/support/log_samples.h"
#include "tlog/base/limits.h"

namespace tlog::format {
namespace {

using testing::plaintext_of;
using testing::SampleAggregation;

void expect_equal(const Aggregation& a, const Aggregation& b) {
  EXPECT_EQ(a.header.vdisk, b.header.vdisk);
  EXPECT_EQ(a.header.number, b.header.number);
  EXPECT_EQ(a.header.epoch, b.header.epoch);
  EXPECT_EQ(a.header.first_sequence, b.header.first_sequence);
  EXPECT_EQ(a.header.last_sequence, b.header.last_sequence);
  EXPECT_EQ(a.header.timestamp, b.header.timestamp);
  EXPECT_EQ(a.header.prev, b.header.prev);
  ASSERT_EQ(a.records.size(), b.records.size());
  for (std::size_t i = 0; i < a.records.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(a.records[i].sequence, b.records[i].sequence);
    EXPECT_EQ(a.records[i].offset, b.records[i].offset);
    EXPECT_EQ(a.records[i].size, b.records[i].size);
    EXPECT_EQ(a.records[i].operation, b.records[i].operation);
    EXPECT_EQ(a.records[i].timestamp, b.records[i].timestamp);
    EXPECT_EQ(a.records[i].hash, b.records[i].hash);
    EXPECT_EQ(to_hex(a.records[i].data), to_hex(b.records[i].data));
  }
}

TEST(Aggregation, round_trip_of_every_operation) {
  SampleAggregation sample;
  sample.fill_mixed();
  sample.value.records[0].hash.bytes.fill(0xee);
  Buffer plaintext = plaintext_of(sample.value);
  EXPECT_EQ(plaintext.size(), plaintext_bytes(sample.value));
  EXPECT_EQ(encode_table(sample.value).size() % 64, 0u);
  auto decoded = decode(plaintext.span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  expect_equal(sample.value, *decoded);
  // Records point into the plaintext: nothing is copied.
  EXPECT_GE(decoded->records[0].data.data(), plaintext.data());
  EXPECT_LT(decoded->records[0].data.data(), plaintext.data() + plaintext.size());
}

TEST(Aggregation, unaligned_plaintext_is_read_too) {
  SampleAggregation sample;
  sample.fill_mixed();
  Buffer plaintext = plaintext_of(sample.value);
  for (std::size_t shift = 1; shift < 8; ++shift) {
    std::vector<std::byte> moved(shift + plaintext.size());
    std::memcpy(moved.data() + shift, plaintext.data(), plaintext.size());
    auto decoded = decode(ConstByteSpan(moved).subspan(shift));
    ASSERT_TRUE(decoded) << decoded.error().message();
    expect_equal(sample.value, *decoded);
  }
}

// Each breaks one rule; check() and decode() must both see it.
TEST(Aggregation, every_rule_is_checked) {
  using Break = void (*)(Aggregation&);
  const Break breaks[] = {
      [](Aggregation& a) { a.header.number = 0; },
      [](Aggregation& a) { a.header.number = 1; },  // and still names one before it
      [](Aggregation& a) { a.header.epoch = 0; },
      [](Aggregation& a) { a.header.last_sequence += 1; },
      [](Aggregation& a) { a.header.first_sequence = a.header.last_sequence + 1; },
      [](Aggregation& a) { a.records[3].sequence += 1; },
      [](Aggregation& a) { a.records[2].timestamp = a.records[1].timestamp - 1; },
      [](Aggregation& a) { a.records[1].operation = static_cast<Operation>(99); },
      [](Aggregation& a) { a.records[1].operation = static_cast<Operation>(0); },
      [](Aggregation& a) { a.records[1].offset = kVdiskSizeMax; },
      [](Aggregation& a) { a.records[1].size = ~std::uint64_t{0}; },
      [](Aggregation& a) { a.records[4].offset = 1; },  // a mark with a place
      [](Aggregation& a) { a.records[5].size = 1; },    // a flush barrier with a range
      [](Aggregation& a) { a.records[0].size -= 1; },   // less than its data
      [](Aggregation& a) { a.records[0].size = kRecordDataMax + 1; },
  };
  for (std::size_t i = 0; i < std::size(breaks); ++i) {
    SCOPED_TRACE(i);
    SampleAggregation sample;
    sample.fill_mixed();
    ASSERT_TRUE(check(sample.value));
    breaks[i](sample.value);
    auto checked = check(sample.value);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), Code::kInvalidArgument);
    auto decoded = decode(plaintext_of(sample.value).span());
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code(), Code::kCorruption) << decoded.error().message();
  }
}

TEST(Aggregation, payload_limit) {
  SampleAggregation sample;
  sample.value.header = {.vdisk = {},
                         .number = 1,
                         .epoch = 1,
                         .first_sequence = 1,
                         .last_sequence = 1,
                         .timestamp = 0,
                         .prev = {}};
  for (std::uint64_t bytes = 0; bytes < kAggregationDataMax; bytes += kRecordDataMax) {
    sample.add_write(bytes, std::string(kRecordDataMax, 'x'));
  }
  EXPECT_TRUE(check(sample.value));
  sample.add_write(0, "x");
  EXPECT_FALSE(check(sample.value));
}

TEST(Aggregation, every_truncation_is_an_error) {
  SampleAggregation sample;
  sample.fill_mixed();
  Buffer plaintext = plaintext_of(sample.value);
  for (std::size_t length = 0; length < plaintext.size(); ++length) {
    auto decoded = decode(plaintext.span().first(length));
    ASSERT_FALSE(decoded) << length;
    EXPECT_EQ(decoded.error().code(), Code::kCorruption);
  }
}

TEST(Aggregation, trailing_bytes_are_an_error) {
  SampleAggregation sample;
  sample.fill_mixed();
  Buffer plaintext = plaintext_of(sample.value);
  std::vector<std::byte> longer(plaintext.size() + 1);
  std::memcpy(longer.data(), plaintext.data(), plaintext.size());
  EXPECT_FALSE(decode(longer));
}

TEST(Aggregation, newer_version_is_not_supported) {
  SampleAggregation sample;
  sample.fill_mixed();
  Buffer plaintext = plaintext_of(sample.value);
  plaintext.data()[24] = std::byte{2};  // length, framing, root pointer: then the version
  auto decoded = decode(plaintext.span());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), Code::kNotSupported) << decoded.error().message();
}

// Words of the table replaced by pointers that lie: to themselves, far away, to lists of 2^29
// elements.
TEST(Aggregation, adversarial_table_is_an_error) {
  SampleAggregation sample;
  sample.fill_mixed();
  const Buffer good = plaintext_of(sample.value);
  const std::uint64_t lies[] = {
      0xffffffff'fffffffd,  // list, composite, huge, offset -1
      0xffffffff'fffffff9,  // list of voids, 2^29
      0xfffffff8'fffffffd,  // list of voids, before itself
      0x00000007'fffffffd,  // composite list of 0 words at itself
      0xffffffff'fffffffc,  // struct of 65535 words at itself
      0x00000000'00000002,  // far pointer into segment 0
      0xffffffff'00000002,  // far pointer into a segment that is not there
      0x00000000'00000006,  // double far
      0xffffffff'ffffffff,  // capability
      0x00000001'fffffffc,  // struct at itself
  };
  const std::size_t root_at = 16;
  std::uint64_t length = 0;
  std::memcpy(&length, good.data(), 8);
  for (std::uint64_t lie : lies) {
    for (std::size_t at = root_at; at < 8 + length; at += 8) {
      Buffer bad = Buffer::copy_of(good.span());
      std::memcpy(bad.data() + at, &lie, 8);
      auto decoded = decode(bad.span());  // a lie in a plain field may be harmless (an unchecked
                                          // hash): no crash is the point
      if (decoded) {
        EXPECT_EQ(decoded->records.size(), sample.value.records.size());
      }
    }
    Buffer bad = Buffer::copy_of(good.span());
    std::memcpy(bad.data() + root_at, &lie, 8);
    EXPECT_FALSE(decode(bad.span())) << std::hex << lie;
  }
}

// The segment table is attacker's input as well.
TEST(Aggregation, adversarial_segments_are_an_error) {
  SampleAggregation sample;
  sample.fill_mixed();
  const Buffer good = plaintext_of(sample.value);
  for (std::uint32_t segments : {1u, 2u, 511u, 0x7fffffffu, 0xffffffffu}) {
    Buffer bad = Buffer::copy_of(good.span());
    std::memcpy(bad.data() + 8, &segments, 4);
    EXPECT_FALSE(decode(bad.span())) << segments;
  }
  for (std::uint32_t words : {0u, 1u, 0x7fffffffu, 0xffffffffu}) {
    Buffer bad = Buffer::copy_of(good.span());
    std::memcpy(bad.data() + 12, &words, 4);
    EXPECT_FALSE(decode(bad.span())) << words;
  }
}

}  // namespace
}  // namespace tlog::format
