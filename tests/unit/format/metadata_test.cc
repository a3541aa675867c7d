// Goal: metadata and index pages come back as they were, and damage of any byte is seen.
#include "tlog/format/metadata.h"

#include <gtest/gtest.h>

#include "tests/support/log_samples.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"

namespace tlog::format {
namespace {

using testing::sample_metadata;
using testing::sample_page;
using testing::sample_reference;

void expect_equal(const std::vector<AggregationReference>& a,
                  const std::vector<AggregationReference>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].number, b[i].number);
    EXPECT_EQ(a[i].epoch, b[i].epoch);
    EXPECT_EQ(a[i].hash, b[i].hash);
    EXPECT_EQ(a[i].first_sequence, b[i].first_sequence);
    EXPECT_EQ(a[i].last_sequence, b[i].last_sequence);
    EXPECT_EQ(a[i].first_timestamp, b[i].first_timestamp);
    EXPECT_EQ(a[i].last_timestamp, b[i].last_timestamp);
  }
}

TEST(Metadata, round_trip) {
  Metadata metadata = sample_metadata();
  auto decoded = decode_metadata(encode_metadata(metadata).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->generation, metadata.generation);
  EXPECT_EQ(decoded->format, metadata.format);
  EXPECT_EQ(decoded->index_pages, metadata.index_pages);
  EXPECT_EQ(decoded->key_id, metadata.key_id);
  ASSERT_EQ(decoded->epochs.size(), metadata.epochs.size());
  for (std::size_t i = 0; i < metadata.epochs.size(); ++i) {
    EXPECT_EQ(decoded->epochs[i].epoch, metadata.epochs[i].epoch);
    EXPECT_EQ(decoded->epochs[i].started, metadata.epochs[i].started);
    EXPECT_EQ(decoded->epochs[i].first_number, metadata.epochs[i].first_number);
    EXPECT_EQ(decoded->epochs[i].first_sequence, metadata.epochs[i].first_sequence);
    EXPECT_EQ(decoded->epochs[i].writer, metadata.epochs[i].writer);
    EXPECT_EQ(decoded->epochs[i].write_quorum, metadata.epochs[i].write_quorum);
  }
  expect_equal(decoded->last, metadata.last);
  EXPECT_EQ(decoded->servers, metadata.servers);
  EXPECT_EQ(decoded->blocks, metadata.blocks);
}

TEST(Metadata, empty_of_a_new_vdisk) {
  Metadata metadata;
  metadata.format.name = "new";
  auto decoded = decode_metadata(encode_metadata(metadata).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->format, metadata.format);
  EXPECT_TRUE(decoded->epochs.empty());
  EXPECT_EQ(decoded->blocks, BlockPlace{});
}

// Found by the fuzzer: encoded again, such a name was cut off and the fingerprint another one.
TEST(Metadata, zero_byte_in_a_text_does_not_end_it) {
  Metadata metadata = sample_metadata();
  metadata.format.name = std::string("v\0m", 3);
  metadata.epochs[0].writer = std::string("\0host", 5);
  auto decoded = decode_metadata(encode_metadata(metadata).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->format, metadata.format);
  EXPECT_EQ(decoded->epochs[0].writer, metadata.epochs[0].writer);
}

// A reader believes of it what cannot have been committed.
TEST(Metadata, an_impossible_write_quorum_is_corruption) {
  for (unsigned quorum : {3U, 7U, 255U}) {
    Metadata metadata = sample_metadata();
    metadata.epochs[0].write_quorum = static_cast<std::uint8_t>(quorum);
    auto decoded = decode_metadata(encode_metadata(metadata).span());
    ASSERT_FALSE(decoded) << quorum;
    EXPECT_EQ(decoded.error().code(), Code::kCorruption);
  }
}

// Nothing that is named so can be configured, and it would be copied from one writer to the next.
TEST(Metadata, a_place_of_blocks_longer_than_any_name_is_corruption) {
  Metadata metadata = sample_metadata();
  metadata.blocks.cluster.assign(kTextMax + 1, 'x');
  auto decoded = decode_metadata(encode_metadata(metadata).span());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), Code::kCorruption);
}

TEST(Metadata, many_epochs) {
  Metadata metadata = sample_metadata();
  metadata.epochs.clear();
  for (Epoch epoch = 1; epoch <= 20'000; ++epoch) {
    metadata.epochs.push_back({.epoch = epoch,
                               .started = epoch,
                               .first_number = epoch,
                               .first_sequence = epoch,
                               .writer = "host"});
  }
  auto decoded = decode_metadata(encode_metadata(metadata).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->epochs.size(), 20'000u);
}

TEST(IndexPage, round_trip) {
  IndexPage page = sample_page();
  auto decoded = decode_index_page(encode_index_page(page).span());
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->page, page.page);
  EXPECT_EQ(decoded->previous_page, page.previous_page);
  expect_equal(decoded->entries, page.entries);
}

TEST(IndexPage, entry_of_another_page_is_an_error) {
  IndexPage page = sample_page();
  page.entries[3].number += 256;
  EXPECT_FALSE(decode_index_page(encode_index_page(page).span()));
  page = sample_page();
  page.entries.clear();
  for (AggregationNumber number = 513; number <= 513 + 256; ++number)
    page.entries.push_back(sample_reference(number));
  EXPECT_FALSE(decode_index_page(encode_index_page(page).span()));
}

template <class Decode>
void expect_damage_seen(const Buffer& good, Decode decode_it) {
  for (std::size_t i = 0; i < good.size(); ++i) {
    Buffer bad = Buffer::copy_of(good.span());
    bad.data()[i] ^= std::byte{0x10};
    auto decoded = decode_it(bad.span());
    ASSERT_FALSE(decoded) << i;
    EXPECT_EQ(decoded.error().code(), Code::kCorruption) << i;
    EXPECT_FALSE(decode_it(good.span().first(i))) << i;
  }
}

TEST(Metadata, damage_and_truncation_are_seen) {
  expect_damage_seen(encode_metadata(sample_metadata()), decode_metadata);
}

TEST(IndexPage, damage_and_truncation_are_seen) {
  expect_damage_seen(encode_index_page(sample_page()), decode_index_page);
}

TEST(Metadata, page_is_not_metadata) {
  EXPECT_FALSE(decode_metadata(encode_index_page(sample_page()).span()));
  EXPECT_FALSE(decode_index_page(encode_metadata(sample_metadata()).span()));
}

TEST(Metadata, newer_version_is_not_supported) {
  Buffer bytes = encode_metadata(sample_metadata());
  bytes.data()[8] = static_cast<std::byte>(std::to_integer<unsigned>(bytes.data()[8]) + 1);
  ConstByteSpan covered = bytes.span().first(bytes.size() - 4);
  const std::uint32_t crc = crc32c(covered);
  std::memcpy(bytes.data() + covered.size(), &crc, 4);
  auto decoded = decode_metadata(bytes.span());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), Code::kNotSupported);
}

TEST(Metadata, fingerprint_covers_every_field) {
  const VdiskFormat format = sample_metadata().format;
  std::vector<VdiskFormat> others(6, format);
  others[0].vdisk.bytes[3] ^= 1;
  others[1].name = "vm2";
  others[2].size += 1;
  others[3].block_size *= 2;
  others[4].data_shards += 1;
  others[5].parity_shards += 1;
  for (const VdiskFormat& other : others) EXPECT_NE(format.fingerprint(), other.fingerprint());
  EXPECT_EQ(format.fingerprint(), VdiskFormat(format).fingerprint());
}

TEST(StoreKeys, text) {
  EXPECT_EQ(shard_key("vm1", 3, 0x2a), "tlog:vm1:3:000000000000002a");
  EXPECT_EQ(metadata_key("vm1"), "tlog:vm1:meta");
  EXPECT_EQ(index_page_key("vm1", 16), "tlog:vm1:page:0000000000000010");
  EXPECT_TRUE(shard_key("vm1", 1, 1).starts_with(key_prefix("vm1")));
  EXPECT_FALSE(shard_key("vm11", 1, 1).starts_with(key_prefix("vm1")));
  EXPECT_EQ(parse_shard_key("vm1", "tlog:vm1:3:000000000000002a"), (ShardKey{3, 0x2a}));
  for (const char* other :
       {"", "tlog:vm1:", "tlog:vm1:meta", "tlog:vm1:page:0000000000000010", "tlog:vm1:3:2a",
        "tlog:vm1:03:000000000000002a", "tlog:vm1:3:000000000000002A",
        "tlog:vm1:3:000000000000002a:", "tlog:vm11:3:000000000000002a", "tlog:vm1:3",
        "tlog:vm1:-3:000000000000002a"}) {
    EXPECT_FALSE(parse_shard_key("vm1", other)) << other;
  }
}

}  // namespace
}  // namespace tlog::format
