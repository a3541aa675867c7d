#include "tlog/store/segment_format.h"

#include <gtest/gtest.h>

#include "tests/unit/store/segment_fixture.h"
#include "tlog/base/crc32c.h"
#include "tlog/store/segment_index.h"

namespace tlog::store {
namespace {

SegmentHeader sample_header() {
  SegmentHeader header;
  header.vdisk = "vm1";
  header.number = 7;
  header.salt = 0x1122334455667788;
  header.previous_number = 6;
  header.previous_end = 4096 + 640;
  return header;
}

TEST(SegmentFormat, headers_and_footers_come_back) {
  Buffer block = encode_segment_header(sample_header());
  ASSERT_EQ(block.size(), kSegmentHeaderBytes);
  EXPECT_EQ(*decode_segment_header(block.span(), "p"), sample_header());
  SegmentFooter footer;
  footer.header = sample_header();
  footer.data_end = 5000 * kSegmentUnit;
  footer.index_offset = round_up(footer.data_end, 4096);
  footer.index_bytes = 77;
  footer.index_crc = 3;
  footer.entries = 2;
  footer.removes = 1;
  footer.last_sequence = 99;
  footer.damaged_bytes = 5;
  footer.ranges = {{"a:1", "a:2"}, {"b", "b"}};
  Buffer end = encode_segment_footer(footer);
  EXPECT_EQ(*decode_segment_footer(end.span(), "p"), footer);
  // One is never taken for the other, nor anything with a changed byte.
  EXPECT_FALSE(decode_segment_footer(block.span(), "p"));
  EXPECT_FALSE(decode_segment_header(end.span(), "p"));
  for (std::size_t i = 0; i < 4096; i += 5) {
    end.data()[i] ^= std::byte{1};
    EXPECT_FALSE(decode_segment_footer(end.span(), "p"));
    end.data()[i] ^= std::byte{1};
  }
}

TEST(SegmentFormat, newer_versions_are_told_from_damage) {
  Buffer block = encode_segment_header(sample_header());
  block.data()[8] = std::byte{2};
  std::uint32_t crc = crc32c(block.span().first(4092));
  std::memcpy(block.data() + 4092, &crc, 4);
  EXPECT_EQ(decode_segment_header(block.span(), "p").error().code(), Code::kNotSupported);
}

TEST(SegmentFormat, entries_belong_to_their_place) {
  EntryHeader header;
  header.salt = 5;
  header.offset = 64 * 70;
  header.sequence = 3;
  header.durable_end = 4096;
  header.value_length = 10;
  header.key_length = 4;
  header.body_crc = 8;
  std::array<std::byte, kEntryHeaderBytes> bytes{};
  encode_entry_header(header, bytes);
  EXPECT_EQ(decode_entry_header(bytes, 5, 64 * 70), header);
  EXPECT_EQ(decode_entry_header(bytes, 0, 64 * 70), header);
  EXPECT_FALSE(decode_entry_header(bytes, 6, 64 * 70));
  EXPECT_FALSE(decode_entry_header(bytes, 5, 64 * 71));
  EXPECT_FALSE(decode_entry_header(ConstByteSpan(bytes).first(63), 5, 64 * 70));
  for (std::byte& byte : bytes) {
    byte ^= std::byte{1};
    EXPECT_FALSE(decode_entry_header(bytes, 0, 64 * 70));
    byte ^= std::byte{1};
  }
}

TEST(SegmentFormat, ranges_cover_every_key_and_fit) {
  EntryMap entries;
  for (int i = 0; i < 10; ++i) entries["tlog:vm1:1:000" + std::to_string(i)];
  entries["tlog:vm1:meta"];
  entries["tlog:vm1:page:0"];
  EXPECT_EQ(key_ranges(entries), (std::vector<KeyRange>{{"tlog:vm1:1:0000", "tlog:vm1:1:0009"},
                                                        {"tlog:vm1:meta", "tlog:vm1:meta"},
                                                        {"tlog:vm1:page:0", "tlog:vm1:page:0"}}));
  EXPECT_TRUE(key_ranges({}).empty());
  for (int i = 0; i < 40; ++i) entries[std::string(500, static_cast<char>('a' + i)) + ":x"];
  SegmentFooter footer;
  footer.header = sample_header();
  footer.header.vdisk = std::string(200, 'v');
  footer.ranges = key_ranges(entries);
  ASSERT_EQ(footer.ranges.size(), 1u);
  EXPECT_EQ(encode_segment_footer(footer).size(), kSegmentFooterBytes);
}

TEST(SegmentFormat, file_names) {
  EXPECT_EQ(segment_file_name(0x1f), "segment-000000000000001f.tlog");
  EXPECT_EQ(segment_number_of("segment-000000000000001f.tlog"), 0x1f);
  for (std::string name : {"segment-000000000000001F.tlog", "segment-0000000000000000.tlog", "lock",
                           "segment-000000000000001f.tlog~", "segment-00000000000000zz.tlog"}) {
    EXPECT_FALSE(segment_number_of(name)) << name;
  }
}

std::shared_ptr<const SegmentIndex> index_of(int keys, std::size_t key_bytes) {
  EntryMap entries;
  for (int i = 0; i < keys; ++i) {
    std::string key = std::to_string(100'000 + i);
    key.resize(key_bytes, '.');
    entries[key] = {kSegmentHeaderBytes + static_cast<std::uint64_t>(i) * 1024, 5, 6,
                    EntryKind::kPut};
  }
  SegmentFooter footer;
  footer.data_end = 64 * kMiB;
  footer.entries = static_cast<std::uint32_t>(keys);
  Buffer bytes = SegmentIndex::encode(entries);
  footer.index_bytes = bytes.size();
  footer.index_crc = crc32c(bytes.span());
  auto index = SegmentIndex::decode(std::move(bytes), footer, "p");
  EXPECT_TRUE(index);
  for (const auto& [key, location] : entries) EXPECT_EQ((*index)->find(key), location);
  EXPECT_FALSE((*index)->find("1"));
  EXPECT_FALSE((*index)->find("9"));
  return *index;
}

TEST(SegmentIndexTest, finds_every_key_and_no_other) {
  index_of(0, 0);
  index_of(1, 8);
  index_of(1000, 40);
}

TEST(SegmentIndexTest, cache_stays_within_its_bound) {
  auto index = index_of(500, 40);
  IndexCache cache(3 * index->memory_bytes());
  auto load = [&]() -> Result<std::shared_ptr<const SegmentIndex>> { return index; };
  for (std::uint64_t segment = 1; segment <= 50; ++segment) {
    ASSERT_TRUE(cache.get(segment, load));
    ASSERT_LE(cache.bytes(), 3 * index->memory_bytes());
  }
  EXPECT_EQ(cache.loads(), 50u);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cache.get(48, load));
  EXPECT_EQ(cache.loads(), 50u);
  ASSERT_TRUE(cache.get(51, load));  // 49 was the longest unused
  ASSERT_TRUE(cache.get(48, load));
  EXPECT_EQ(cache.loads(), 51u);
  cache.forget(48);
  ASSERT_TRUE(cache.get(48, load));
  EXPECT_EQ(cache.loads(), 52u);
  IndexCache tiny(1);
  ASSERT_TRUE(tiny.get(1, load));
  ASSERT_TRUE(tiny.get(2, load));
  EXPECT_EQ(tiny.bytes(), index->memory_bytes());
}

}  // namespace
}  // namespace tlog::store
