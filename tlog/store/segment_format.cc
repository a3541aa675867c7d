#include "tlog/store/segment_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"

namespace tlog::store {
namespace {

constexpr std::uint64_t kHeaderMagic = 0x31474553474f4c54;  // "TLOGSEG1"
constexpr std::uint64_t kEntryMagic = 0x31544e45474f4c54;   // "TLOGENT1"
constexpr std::uint64_t kFooterMagic = 0x31544f46474f4c54;  // "TLOGFOT1"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kVdiskNameMax = 255;
constexpr std::size_t kBlock = 4096;
static_assert(kSegmentHeaderBytes == kBlock && kSegmentFooterBytes == kBlock);
static_assert(std::endian::native == std::endian::little);

// Fills a block from its beginning; its last four bytes are the CRC of the others.
class BlockEncoder {
 public:
  BlockEncoder() : block_(kBlock) { std::memset(block_.data(), 0, kBlock); }

  template <class T>
  void number(T value) {
    bytes(bytes_of(value));
  }
  void text(std::string_view value) {
    number(static_cast<std::uint16_t>(value.size()));
    bytes(bytes_of(value));
  }
  Buffer finish() {
    std::uint32_t crc = crc32c(block_.span().first(kBlock - 4));
    std::memcpy(block_.data() + kBlock - 4, &crc, 4);
    return std::move(block_);
  }

 private:
  void bytes(ConstByteSpan value) {
    TLOG_ASSERT(value.size() <= kBlock - 4 - used_);
    if (!value.empty()) std::memcpy(block_.data() + used_, value.data(), value.size());
    used_ += value.size();
  }

  Buffer block_;
  std::size_t used_ = 0;
};

// Reads what BlockEncoder wrote. Reading beyond the end gives zeros and is told by good().
class BlockDecoder {
 public:
  explicit BlockDecoder(ConstByteSpan block) : rest_(block.first(kBlock - 4)) {}

  template <class T>
  T number() {
    T value{};
    if (take(sizeof value)) std::memcpy(&value, taken_.data(), sizeof value);
    return value;
  }
  std::string text() {
    auto length = number<std::uint16_t>();
    if (!take(length)) return {};
    return std::string(reinterpret_cast<const char*>(taken_.data()), length);
  }
  bool good() const { return good_; }

 private:
  bool take(std::size_t length) {
    good_ = good_ && length <= rest_.size();
    if (!good_) return false;
    taken_ = rest_.first(length);
    rest_ = rest_.subspan(length);
    return true;
  }

  ConstByteSpan rest_;
  ConstByteSpan taken_;
  bool good_ = true;
};

bool crc_matches(ConstByteSpan block) {
  std::uint32_t stored = 0;
  std::memcpy(&stored, block.data() + kBlock - 4, 4);
  return stored == crc32c(block.first(kBlock - 4));
}

tl::unexpected<Error> corrupt(std::string_view what, std::string_view path) {
  return fail(Code::kCorruption, fmt::format("read: {}: the {} is missing or damaged", path, what));
}

// Magic, checksum and version, which come first in headers and footers.
Status check_block(BlockDecoder& decoder, ConstByteSpan block, std::uint64_t magic,
                   std::string_view what, std::string_view path) {
  if (block.size() != kBlock || !crc_matches(block)) return corrupt(what, path);
  if (decoder.number<std::uint64_t>() != magic) return corrupt(what, path);
  auto version = decoder.number<std::uint32_t>();
  if (version == kVersion) return {};
  return fail(
      Code::kNotSupported,
      fmt::format("read: {}: the segment has version {}, this program knows {}; use a newer "
                  "tlogdisk",
                  path, version, kVersion));
}

void encode_identity(const SegmentHeader& header, BlockEncoder& encoder) {
  TLOG_ASSERT(header.vdisk.size() <= kVdiskNameMax);
  encoder.number(header.number);
  encoder.number(header.salt);
  encoder.number(header.previous_number);
  encoder.number(header.previous_end);
  encoder.text(header.vdisk);
}

SegmentHeader decode_identity(BlockDecoder& decoder) {
  SegmentHeader header;
  header.number = decoder.number<std::uint64_t>();
  header.salt = decoder.number<std::uint64_t>();
  header.previous_number = decoder.number<std::uint64_t>();
  header.previous_end = decoder.number<std::uint64_t>();
  header.vdisk = decoder.text();
  return header;
}

// As it is on disk; the CRC covers all before it.
struct EntryHeaderBytes {
  std::uint64_t magic;
  std::uint64_t salt;
  std::uint64_t sequence;
  std::uint64_t durable_end;
  std::uint32_t offset_units;
  std::uint32_t value_length;
  std::uint16_t key_length;
  std::uint8_t kind;
  std::uint8_t zero;
  std::uint32_t body_crc;
  std::uint64_t reserved[1];
  std::uint32_t reserved_too;
  std::uint32_t crc;
};
static_assert(sizeof(EntryHeaderBytes) == kEntryHeaderBytes);
static_assert(kSegmentBytesMax / kSegmentUnit <= std::uint64_t{1} << 32);

std::uint32_t crc_of(const EntryHeaderBytes& bytes) {
  return crc32c(bytes_of(bytes).first(sizeof bytes - 4));
}

std::string_view group_of(std::string_view key) {
  return key.substr(0, key.rfind(':') + 1);
}

}  // namespace

Buffer encode_segment_header(const SegmentHeader& header) {
  BlockEncoder encoder;
  encoder.number(kHeaderMagic);
  encoder.number(kVersion);
  encode_identity(header, encoder);
  return encoder.finish();
}

Result<SegmentHeader> decode_segment_header(ConstByteSpan block, std::string_view path) {
  if (block.size() != kBlock) return corrupt("header", path);
  BlockDecoder decoder(block);
  TLOG_TRY(check_block(decoder, block, kHeaderMagic, "header", path));
  SegmentHeader header = decode_identity(decoder);
  if (!decoder.good() || header.number == 0 || header.previous_number >= header.number) {
    return corrupt("header", path);
  }
  return header;
}

void encode_entry_header(const EntryHeader& header, std::span<std::byte, kEntryHeaderBytes> into) {
  TLOG_ASSERT(header.offset % kSegmentUnit == 0 && header.offset < kSegmentBytesMax);
  EntryHeaderBytes bytes{};
  bytes.magic = kEntryMagic;
  bytes.salt = header.salt;
  bytes.sequence = header.sequence;
  bytes.durable_end = header.durable_end;
  bytes.offset_units = static_cast<std::uint32_t>(header.offset / kSegmentUnit);
  bytes.value_length = header.value_length;
  bytes.key_length = header.key_length;
  bytes.kind = static_cast<std::uint8_t>(header.kind);
  bytes.body_crc = header.body_crc;
  bytes.crc = crc_of(bytes);
  std::memcpy(into.data(), &bytes, sizeof bytes);
}

std::optional<EntryHeader> decode_entry_header(ConstByteSpan from, std::uint64_t salt,
                                               std::uint64_t offset) {
  EntryHeaderBytes bytes;
  if (from.size() < sizeof bytes) return {};
  std::memcpy(&bytes, from.data(), sizeof bytes);
  if (bytes.magic != kEntryMagic || (salt != 0 && bytes.salt != salt)) return {};
  if (bytes.offset_units * kSegmentUnit != offset || bytes.crc != crc_of(bytes)) return {};
  bool known =
      bytes.kind == static_cast<std::uint8_t>(EntryKind::kPut) ||
      (bytes.kind == static_cast<std::uint8_t>(EntryKind::kRemove) && bytes.value_length == 0);
  if (!known || bytes.key_length == 0 || bytes.key_length > kStoreKeyBytesMax) return {};
  if (bytes.value_length > kStoreValueBytesMax || bytes.durable_end > offset) return {};
  EntryHeader header;
  header.salt = bytes.salt;
  header.offset = offset;
  header.sequence = bytes.sequence;
  header.durable_end = bytes.durable_end;
  header.value_length = bytes.value_length;
  header.key_length = bytes.key_length;
  header.kind = static_cast<EntryKind>(bytes.kind);
  header.body_crc = bytes.body_crc;
  return header;
}

Buffer encode_segment_footer(const SegmentFooter& footer) {
  BlockEncoder encoder;
  encoder.number(kFooterMagic);
  encoder.number(kVersion);
  encode_identity(footer.header, encoder);
  encoder.number(footer.data_end);
  encoder.number(footer.index_offset);
  encoder.number(footer.index_bytes);
  encoder.number(footer.index_crc);
  encoder.number(footer.entries);
  encoder.number(footer.removes);
  encoder.number(footer.last_sequence);
  encoder.number(footer.damaged_bytes);
  encoder.number(footer.torn_bytes);
  encoder.number(static_cast<std::uint16_t>(footer.ranges.size()));
  for (const KeyRange& range : footer.ranges) {
    encoder.text(range.first);
    encoder.text(range.last);
  }
  return encoder.finish();
}

Result<SegmentFooter> decode_segment_footer(ConstByteSpan block, std::string_view path) {
  if (block.size() != kBlock) return corrupt("footer", path);
  BlockDecoder decoder(block);
  TLOG_TRY(check_block(decoder, block, kFooterMagic, "footer", path));
  SegmentFooter footer;
  footer.header = decode_identity(decoder);
  footer.data_end = decoder.number<std::uint64_t>();
  footer.index_offset = decoder.number<std::uint64_t>();
  footer.index_bytes = decoder.number<std::uint64_t>();
  footer.index_crc = decoder.number<std::uint32_t>();
  footer.entries = decoder.number<std::uint32_t>();
  footer.removes = decoder.number<std::uint32_t>();
  footer.last_sequence = decoder.number<std::uint64_t>();
  footer.damaged_bytes = decoder.number<std::uint64_t>();
  footer.torn_bytes = decoder.number<std::uint64_t>();
  auto ranges = decoder.number<std::uint16_t>();
  for (unsigned i = 0; i < ranges && decoder.good(); ++i) {
    KeyRange range;
    range.first = decoder.text();
    range.last = decoder.text();
    footer.ranges.push_back(std::move(range));
  }
  bool placed = footer.data_end >= kSegmentHeaderBytes && footer.data_end <= kSegmentBytesMax &&
                footer.index_offset == round_up(footer.data_end, kBlock) &&
                footer.index_bytes <= kSegmentBytesMax && footer.entries <= kSegmentEntriesMax;
  if (!decoder.good() || !placed || footer.header.number == 0) return corrupt("footer", path);
  return footer;
}

std::vector<KeyRange> key_ranges(const EntryMap& entries) {
  // What is left of the block beside the fixed fields and the name.
  constexpr std::size_t kRoom = kBlock - 4 - 128 - 2 - kVdiskNameMax;
  static_assert(kRoom >= 2 * (2 + kStoreKeyBytesMax));
  std::vector<KeyRange> ranges;
  std::size_t bytes = 0;
  for (const auto& [key, location] : entries) {
    // Sorted, so a group's keys follow each other, unless another group lies between: then it has
    // two ranges.
    if (!ranges.empty() && group_of(ranges.back().last) == group_of(key)) {
      bytes += key.size() - ranges.back().last.size();
      ranges.back().last = key;
    } else {
      ranges.push_back({key, key});
      bytes += 2 * (2 + key.size());
    }
    if (bytes > kRoom || ranges.size() > 16)
      return {{entries.begin()->first, entries.rbegin()->first}};
  }
  return ranges;
}

std::string segment_file_name(std::uint64_t number) {
  return fmt::format("segment-{:016x}.tlog", number);
}

std::optional<std::uint64_t> segment_number_of(std::string_view file_name) {
  constexpr std::string_view kPrefix = "segment-";
  constexpr std::string_view kSuffix = ".tlog";
  if (file_name.size() != kPrefix.size() + 16 + kSuffix.size()) return {};
  if (!file_name.starts_with(kPrefix) || !file_name.ends_with(kSuffix)) return {};
  std::string_view digits = file_name.substr(kPrefix.size(), 16);
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || number == 0) return {};
  if (segment_file_name(number) != file_name) return {};
  return number;
}

}  // namespace tlog::store
