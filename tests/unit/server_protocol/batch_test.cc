// Goal: records arrive as they were sent, and nothing that is not a dense run of intact records is
// taken for one; their bytes are moved, not copied.
#include "server/protocol/batch.h"

#include <gtest/gtest.h>

#include "tests/support/protocol_samples.h"

namespace tlog::protocol {
namespace {

using testing::SampleAggregation;

// Of a table: framing, root, then AggregationTable and its entries (docs/format.md).
constexpr std::size_t kVersionAt = 24;
constexpr std::size_t kNumberAt = 48;
constexpr std::size_t kFirstSequenceAt = 64;
constexpr std::size_t kLastSequenceAt = 72;
constexpr std::size_t kTimestampAt = 80;
constexpr std::size_t kPrevAt = 88;
constexpr std::size_t kEntriesAt = 136;
constexpr std::size_t kEntryBytes = 64;
constexpr std::size_t kSizeInEntry = 8;
constexpr std::size_t kPositionInEntry = 24;
constexpr std::size_t kOperationInEntry = 28;

class BatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sample_.fill_mixed();
    fill_hashes(sample_.value.records);
  }
  std::span<const format::Record> records() const { return sample_.value.records; }
  Result<EncodedBatch> encode() const {
    return encode_batch(SampleAggregation::sample_uuid(), 3, 7, records());
  }
  std::vector<std::byte> body() const { return testing::bytes_of_pieces(encode()->pieces); }

  static Result<DecodedBatch> decode(ConstByteSpan body) {
    return decode_batch(Buffer::copy_of(body));
  }
  // With a field of the table changed, and the checksum put right.
  template <class T>
  Result<DecodedBatch> decode_with(std::size_t at, T value) const {
    auto changed = body();
    std::memcpy(changed.data() + at, &value, sizeof value);
    testing::fix_body_checksum(changed, format::table_bytes(records().size()));
    return decode(changed);
  }
  static std::size_t entry_at(std::size_t record) { return kEntriesAt + record * kEntryBytes; }

  SampleAggregation sample_;
};

void expect_refused(const Result<DecodedBatch>& decoded, Code code, std::string_view what) {
  ASSERT_FALSE(decoded) << what;
  EXPECT_EQ(decoded.error().code(), code) << what << ": " << decoded.error().message();
}
void expect_corruption(const Result<DecodedBatch>& decoded, std::string_view what) {
  expect_refused(decoded, Code::kCorruption, what);
}

TEST_F(BatchTest, round_trip) {
  auto decoded = decode(body());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->vdisk, SampleAggregation::sample_uuid());
  EXPECT_EQ(decoded->epoch, 3u);
  EXPECT_EQ(decoded->number, 7u);
  ASSERT_EQ(decoded->batch.records.size(), records().size());
  for (std::size_t i = 0; i < records().size(); ++i) {
    const format::Record& kept = decoded->batch.records[i];
    const format::Record& sent = records()[i];
    EXPECT_EQ(kept.sequence, sent.sequence);
    EXPECT_EQ(kept.offset, sent.offset);
    EXPECT_EQ(kept.size, sent.size);
    EXPECT_EQ(kept.operation, sent.operation);
    EXPECT_EQ(kept.timestamp, sent.timestamp);
    EXPECT_EQ(kept.hash, sent.hash);
    EXPECT_EQ(to_hex(kept.data), to_hex(sent.data));
  }
  EXPECT_TRUE(verify_hashes(decoded->batch.records));
}

TEST_F(BatchTest, a_readers_batch_has_no_epoch) {
  auto encoded = encode_batch(SampleAggregation::sample_uuid(), 0, 1, records());
  ASSERT_TRUE(encoded) << encoded.error().message();
  auto decoded = decode(testing::bytes_of_pieces(encoded->pieces));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->epoch, 0u);
  EXPECT_EQ(decoded->number, 1u);
}

TEST_F(BatchTest, the_length_is_that_of_all_pieces) {
  auto encoded = encode();
  ASSERT_TRUE(encoded);
  EXPECT_EQ(encoded->length, testing::bytes_of_pieces(encoded->pieces).size());
  // Also after the batch was moved: the pieces are not inside of it.
  const EncodedBatch moved = std::move(*encoded);
  EXPECT_TRUE(decode(testing::bytes_of_pieces(moved.pieces)));
}

// A table that fills its pages to the last byte has no room for the checksum.
TEST(Batch, any_number_of_records_is_encoded) {
  for (std::size_t count = 1; count <= 200; ++count) {
    SampleAggregation sample;
    sample.value.header.first_sequence = 1;
    for (std::size_t i = 0; i < count; ++i) sample.add(Operation::kZero, i, 1);
    auto encoded = encode_batch(testing::uuid_of(1), 1, 1, sample.value.records);
    ASSERT_TRUE(encoded) << encoded.error().message();
    auto body = testing::bytes_of_pieces(encoded->pieces);
    auto decoded = decode_batch(Buffer::copy_of(body));
    ASSERT_TRUE(decoded) << count << ": " << decoded.error().message();
    EXPECT_EQ(decoded->batch.records.size(), count);
  }
}

TEST_F(BatchTest, data_is_sent_from_where_it_lies) {
  auto encoded = encode();
  ASSERT_TRUE(encoded);
  std::vector<const std::byte*> expected;
  for (const format::Record& record : records()) {
    if (!record.data.empty()) expected.push_back(record.data.data());
  }
  ASSERT_EQ(encoded->pieces.size(), expected.size() + 2) << "the table, the data, the checksum";
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(encoded->pieces[i + 1].data(), expected[i]);
}

TEST(Batch, neighbours_are_sent_as_one_piece) {
  const std::string data(3000, 'x');
  const ConstByteSpan bytes = bytes_of(std::string_view(data));
  std::vector<format::Record> records;
  for (Sequence sequence = 1; sequence <= 3; ++sequence) {
    records.push_back({.sequence = sequence,
                       .offset = 0,
                       .size = 1000,
                       .operation = Operation::kWrite,
                       .timestamp = 0,
                       .hash = {},
                       .data = bytes.subspan((sequence - 1) * 1000, 1000)});
  }
  auto encoded = encode_batch(testing::uuid_of(1), 1, 1, records);
  ASSERT_TRUE(encoded) << encoded.error().message();
  ASSERT_EQ(encoded->pieces.size(), 3u);
  EXPECT_EQ(encoded->pieces[1].data(), bytes.data());
  EXPECT_EQ(encoded->pieces[1].size(), bytes.size());
}

TEST_F(BatchTest, what_arrived_is_not_copied) {
  Buffer arrived = Buffer::copy_of(body());
  const std::byte* begin = arrived.data();
  const std::byte* end = begin + arrived.size();
  auto decoded = decode_batch(std::move(arrived));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->batch.bytes.data(), begin);
  const Batch moved = std::move(decoded->batch);
  for (const format::Record& record : moved.records) {
    if (record.data.empty()) continue;
    EXPECT_TRUE(record.data.data() >= begin && record.data.data() + record.data.size() <= end);
  }
}

TEST_F(BatchTest, what_is_not_dense_is_not_sent) {
  auto refused = [&](std::vector<format::Record> some, std::string_view what) {
    auto encoded = encode_batch(SampleAggregation::sample_uuid(), 3, 7, some);
    ASSERT_FALSE(encoded) << what;
    EXPECT_EQ(encoded.error().code(), Code::kInvalidArgument) << what;
  };
  const std::vector<format::Record> good(records().begin(), records().end());
  refused({}, "nothing");
  auto some = good;
  some.erase(some.begin() + 2);
  refused(some, "a gap");
  some = good;
  some.insert(some.begin() + 2, good[2]);
  refused(some, "a repetition");
  some = good;
  std::swap(some[2], some[3]);
  refused(some, "out of order");
  some = good;
  some[0].size += 1;
  refused(some, "a size that is not the data's");
  some = good;
  some[3].timestamp = some[2].timestamp - 1;
  refused(some, "time goes back");
  EXPECT_FALSE(encode_batch(SampleAggregation::sample_uuid(), 3, 0, good)) << "number 0";
}

TEST_F(BatchTest, gaps_and_repetitions_are_corruption) {
  EXPECT_TRUE(decode_with(entry_at(2) + kPositionInEntry, std::uint32_t{2}));  // as it is
  for (std::uint32_t position : {0U, 1U, 3U, 0xffffffffU})
    expect_corruption(decode_with(entry_at(2) + kPositionInEntry, position), "position");
  const Sequence first = records().front().sequence;
  const Sequence last = records().back().sequence;
  for (Sequence other : {Sequence{0}, first - 1, first + 1, ~Sequence{0}, ~Sequence{0} - 6})
    expect_corruption(decode_with(kFirstSequenceAt, other), "first sequence");
  for (Sequence other : {Sequence{0}, first - 1, last - 1, last + 1, ~Sequence{0}})
    expect_corruption(decode_with(kLastSequenceAt, other), "last sequence");
}

// 2^64 is no sequence: such a run would begin anew in its middle.
TEST_F(BatchTest, sequences_that_overflow_are_corruption) {
  auto changed = body();
  const Sequence first = ~Sequence{0} - 2;
  const Sequence last = first + records().size() - 1;
  std::memcpy(changed.data() + kFirstSequenceAt, &first, 8);
  std::memcpy(changed.data() + kLastSequenceAt, &last, 8);
  testing::fix_body_checksum(changed, format::table_bytes(records().size()));
  expect_corruption(decode(changed), "overflow");
}

TEST_F(BatchTest, sizes_that_are_not_the_payloads_are_corruption) {
  for (std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{511}, std::uint64_t{513}, kRecordDataMax,
        kRecordDataMax + 1, ~std::uint64_t{0}, ~std::uint64_t{0} - 511, std::uint64_t{1} << 63}) {
    expect_corruption(decode_with(entry_at(0) + kSizeInEntry, size), "size");
  }
  // Two that make up for each other, modulo 2^64.
  auto changed = body();
  const std::uint64_t more = records()[0].size + 100;
  const std::uint64_t less = records()[2].size - 100;
  std::memcpy(changed.data() + entry_at(0) + kSizeInEntry, &more, 8);
  std::memcpy(changed.data() + entry_at(2) + kSizeInEntry, &less, 8);
  testing::fix_body_checksum(changed, format::table_bytes(records().size()));
  expect_corruption(decode(changed), "two sizes");
}

TEST_F(BatchTest, a_table_beyond_the_body_is_corruption) {
  const auto good = body();
  for (std::uint64_t length : {std::uint64_t{0}, std::uint64_t{8}, std::uint64_t{good.size() - 8},
                               std::uint64_t{good.size()}, std::uint64_t{1} << 32,
                               ~std::uint64_t{0}, ~std::uint64_t{0} - 7, ~std::uint64_t{0} - 63}) {
    auto changed = good;
    std::memcpy(changed.data(), &length, 8);
    expect_corruption(decode(changed), "table length");
    if (auto table = format::payload_position(ConstByteSpan(changed).first(good.size() - 4))) {
      testing::fix_body_checksum(changed, *table);
      expect_corruption(decode(changed), "table length with a right checksum");
    }
  }
}

TEST_F(BatchTest, an_operation_that_nobody_knows_is_corruption) {
  for (unsigned operation : {0U, 6U, 255U}) {
    expect_corruption(decode_with(entry_at(1) + kOperationInEntry, std::uint8_t(operation)),
                      "operation");
  }
}

TEST_F(BatchTest, reserved_fields_are_zero) {
  expect_corruption(decode_with(kTimestampAt, std::uint64_t{1}), "timestamp");
  expect_corruption(decode_with(kPrevAt, std::uint64_t{1}), "prev");
  expect_corruption(decode_with(kNumberAt, std::uint64_t{0}), "number");
}

TEST_F(BatchTest, a_newer_table_is_not_supported) {
  expect_refused(decode_with(kVersionAt, std::uint16_t{2}), Code::kNotSupported, "version");
  auto damaged = body();
  damaged[kVersionAt] = std::byte{2};
  expect_corruption(decode(damaged), "a damaged version is not a newer one");
}

TEST_F(BatchTest, every_truncation_is_corruption) {
  const auto good = body();
  for (std::size_t length = 0; length < good.size(); ++length)
    expect_corruption(decode(ConstByteSpan(good).first(length)), std::to_string(length));
  auto longer = good;
  longer.push_back(std::byte{0});
  expect_corruption(decode(longer), "longer");
}

// The table by its checksum, the data by the hashes.
TEST_F(BatchTest, every_changed_byte_is_seen) {
  const auto good = body();
  const std::size_t table = format::table_bytes(records().size());
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto changed = good;
    changed[at] ^= std::byte{0x04};
    auto decoded = decode(changed);
    if (at < table || at >= good.size() - 4) {
      expect_corruption(decoded, std::to_string(at));
      continue;
    }
    ASSERT_TRUE(decoded) << at << ": " << decoded.error().message();
    EXPECT_FALSE(verify_hashes(decoded->batch.records)) << at;
  }
}

TEST_F(BatchTest, every_changed_byte_of_a_table_with_a_right_checksum_is_harmless) {
  const std::size_t table = format::table_bytes(records().size());
  for (std::size_t at = 0; at < table; ++at) {
    for (unsigned mask : {0x01U, 0x80U, 0xffU}) {
      auto changed = body();
      changed[at] ^= static_cast<std::byte>(mask);
      testing::fix_body_checksum(changed, table);
      auto decoded = decode(changed);
      if (!decoded) {
        EXPECT_TRUE(decoded.error().code() == Code::kCorruption ||
                    decoded.error().code() == Code::kNotSupported);
        continue;
      }
      auto again =
          encode_batch(decoded->vdisk, decoded->epoch, decoded->number, decoded->batch.records);
      EXPECT_TRUE(again) << at << ": " << again.error().message();
    }
  }
}

TEST(Batch, limits_of_the_payload_and_the_records) {
  SampleAggregation sample;
  sample.value.header.first_sequence = 1;
  for (std::uint64_t bytes = 0; bytes < kBatchBytesMax; bytes += kRecordDataMax)
    sample.add_write(bytes, std::string(kRecordDataMax, 'x'));
  auto encoded = encode_batch(testing::uuid_of(1), 1, 1, sample.value.records);
  ASSERT_TRUE(encoded) << encoded.error().message();
  EXPECT_LE(encoded->length, kBatchFrameMax);
  EXPECT_TRUE(decode_batch(Buffer::copy_of(testing::bytes_of_pieces(encoded->pieces))));
  sample.add_write(0, "x");
  EXPECT_FALSE(encode_batch(testing::uuid_of(1), 1, 1, sample.value.records));

  std::vector<format::Record> many(kAggregationRecordsMax + 1);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i].sequence = i + 1;
    many[i].operation = Operation::kFlush;
  }
  EXPECT_FALSE(encode_batch(testing::uuid_of(1), 1, 1, many));
  many.pop_back();
  auto most = encode_batch(testing::uuid_of(1), 1, 1, many);
  ASSERT_TRUE(most) << most.error().message();
  EXPECT_TRUE(decode_batch(Buffer::copy_of(testing::bytes_of_pieces(most->pieces))));
}

TEST(Batch, one_changed_byte_in_a_thousand_records_is_found) {
  SampleAggregation sample;
  sample.value.header.first_sequence = 5000;
  for (std::size_t i = 0; i < 1000; ++i) sample.add_write(i * 4096, std::string(4096, char(i)));
  auto& records = sample.value.records;
  fill_hashes(records);
  ASSERT_TRUE(verify_hashes(records));
  auto encoded = encode_batch(testing::uuid_of(1), 1, 1, records);
  ASSERT_TRUE(encoded) << encoded.error().message();
  auto body = testing::bytes_of_pieces(encoded->pieces);
  for (std::size_t record : {0U, 127U, 128U, 777U, 999U}) {
    for (std::size_t byte : {0U, 2048U, 4095U}) {
      const std::size_t at = format::table_bytes(1000) + record * 4096 + byte;
      body[at] ^= std::byte{0x80};
      auto decoded = decode_batch(Buffer::copy_of(body));
      ASSERT_TRUE(decoded) << decoded.error().message();
      auto good = verify_hashes(decoded->batch.records);
      ASSERT_FALSE(good) << record;
      EXPECT_EQ(good.error().code(), Code::kCorruption);
      EXPECT_NE(good.error().message().find("record " + std::to_string(5000 + record) + ":"),
                std::string::npos)
          << good.error().message();
      body[at] ^= std::byte{0x80};
    }
  }
  // A wrong hash of a record without data is one, too.
  SampleAggregation empty;
  empty.value.header.first_sequence = 1;
  empty.add(Operation::kDiscard, 0, 4096);
  EXPECT_FALSE(verify_hashes(empty.value.records));
  fill_hashes(empty.value.records);
  EXPECT_TRUE(verify_hashes(empty.value.records));
}

}  // namespace
}  // namespace tlog::protocol
