// Goal and method as in golden_test.cc: a segment before and after it is sealed. The store itself
// reads the kept files.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/unit/store/segment_fixture.h"
#include "tlog/base/crc32c.h"
#include "tlog/store/segment_index.h"

namespace tlog::store {
namespace {

constexpr std::uint64_t kSalt = 0x0123456789abcdef;

class GoldenSegment : public SegmentTest {
 protected:
  void SetUp() override {
    SegmentTest::SetUp();
    SegmentHeader header;
    header.vdisk = "vm1";
    header.number = 1;
    header.salt = kSalt;
    footer_.header = header;
    append(encode_segment_header(header).span());
    add(EntryKind::kPut, "tlog:vm1:1:0000000000000001", std::string(1000, 'a'), 0);
    add(EntryKind::kPut, "tlog:vm1:1:0000000000000002", "short", bytes_.size());
    add(EntryKind::kPut, "tlog:vm1:meta", "", bytes_.size());
    add(EntryKind::kRemove, "tlog:vm1:1:0000000000000001", "", bytes_.size());
  }

  void append(ConstByteSpan bytes) {
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void add(EntryKind kind, const std::string& key, const std::string& value,
           std::uint64_t durable_end) {
    EntryHeader header;
    header.salt = kSalt;
    header.offset = bytes_.size();
    header.sequence = ++footer_.last_sequence;
    header.durable_end = durable_end;
    header.value_length = static_cast<std::uint32_t>(value.size());
    header.key_length = static_cast<std::uint16_t>(key.size());
    header.kind = kind;
    header.body_crc = crc32c(bytes_of(std::string_view(key + value)));
    entries_[key] = {header.offset, header.value_length, header.body_crc, kind};
    std::array<std::byte, kEntryHeaderBytes> encoded{};
    encode_entry_header(header, encoded);
    append(encoded);
    bytes_ += key + value;
    bytes_.resize(round_up(bytes_.size(), kSegmentUnit), '\0');
  }
  void seal() {
    footer_.data_end = bytes_.size();
    footer_.index_offset = round_up(bytes_.size(), kSegmentFooterBytes);
    Buffer index = SegmentIndex::encode(entries_);
    footer_.index_bytes = index.size();
    footer_.index_crc = crc32c(index.span());
    footer_.entries = static_cast<std::uint32_t>(entries_.size());
    footer_.removes = 1;
    footer_.ranges = key_ranges(entries_);
    bytes_.resize(footer_.index_offset, '\0');
    append(index.span());
    bytes_.resize(round_up(bytes_.size(), kSegmentFooterBytes), '\0');
    append(encode_segment_footer(footer_).span());
  }
  // The kept file holds these bytes, and both kinds of store find in it what belongs there.
  void check(const std::string& name) {
    std::string path = std::string(TLOG_GOLDEN_DIRECTORY) + "/" + name;
    if (std::getenv("TLOG_GOLDEN_WRITE") != nullptr) testing::write_text(path, bytes_);
    std::string kept = testing::read_text(path);
    EXPECT_TRUE(kept == bytes_) << name << ": the format has changed";
    ASSERT_TRUE(io::system_files().make_directories(folder()));
    testing::write_text(folder() + "/" + segment_file_name(1), kept);
    for (bool read_only : {true, false}) {
      SegmentStoreOptions how = options();
      how.read_only = read_only;
      auto store = open(how);
      ASSERT_TRUE(store);
      expect_model(*store, {{"tlog:vm1:1:0000000000000002", "short"}, {"tlog:vm1:meta", ""}});
      EXPECT_EQ(code_of_get(*store, "tlog:vm1:1:0000000000000001"), Code::kNotFound);
      shut(store);
    }
  }

  std::string bytes_;
  EntryMap entries_;
  SegmentFooter footer_;
};

TEST_F(GoldenSegment, open) {
  check("segment.open");
}

TEST_F(GoldenSegment, sealed) {
  seal();
  check("segment.sealed");
}

}  // namespace
}  // namespace tlog::store
