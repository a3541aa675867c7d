// File: tlog/store/segment_format.h
// The bytes of a segment file (docs/format.md, "Segment store"): a header block, entries, and, once
// the segment is sealed, a sorted index and a footer block. Everything little endian.
//
// Threading: values and pure functions.
// Errors: decoding answers kCorruption for bytes that are wrong and kNotSupported for a newer
// version; an entry that is not whole or not of this place is simply "none", because the scanner
// asks for it everywhere.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/limits.h"
#include "tlog/base/types.h"

namespace tlog::store {

constexpr std::uint64_t kSegmentHeaderBytes = 4096;
constexpr std::uint64_t kSegmentFooterBytes = 4096;
constexpr std::uint64_t kSegmentUnit = 64;  // entries begin at multiples of it
constexpr std::uint64_t kEntryHeaderBytes = 64;
constexpr std::uint64_t kStoreKeyBytesMax = 512;
constexpr std::uint64_t kStoreValueBytesMax =
    2 * kSealedMax;  // a shard of 1+0 with room for its header
constexpr std::uint64_t kSegmentEntriesMax =
    32 * kKiB;  // bounds an index in memory, and the map of the active segment
// A writer has one batch in flight: so many bytes, or one entry if that is larger.
constexpr std::uint64_t kSegmentBatchBytesMax = 2 * kMiB;
constexpr std::uint64_t kSegmentBytesMax = 64 * kGiB;  // entry offsets are u32 units

enum class EntryKind : std::uint8_t { kPut = 1, kRemove = 2 };

struct SegmentHeader {
  std::string vdisk;
  std::uint64_t number = 0;  // from 1; newer segments have greater numbers
  std::uint64_t salt =
      0;  // random: entries of another file, or inside a value, are never taken for this segment's
  // The segment before this one and where its durable entries end: what comes after was reported as
  // failed. 0: none.
  std::uint64_t previous_number = 0;
  std::uint64_t previous_end = 0;
  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

struct EntryHeader {
  std::uint64_t salt = 0;
  std::uint64_t offset = 0;       // of this entry in its segment
  std::uint64_t sequence = 0;     // dense over the store's life, for people
  std::uint64_t durable_end = 0;  // everything before it was durable when this entry was written
  std::uint32_t value_length = 0;
  std::uint16_t key_length = 0;
  EntryKind kind = EntryKind::kPut;
  std::uint32_t body_crc = 0;  // CRC-32C of key and value
  friend bool operator==(const EntryHeader&, const EntryHeader&) = default;
};

// Where the newest entry of a key is. Enough to read and check the value without the entry's
// header.
struct EntryLocation {
  std::uint64_t offset = 0;
  std::uint32_t value_length = 0;
  std::uint32_t body_crc = 0;
  EntryKind kind = EntryKind::kPut;
  friend bool operator==(const EntryLocation&, const EntryLocation&) = default;
};
using EntryMap = std::map<std::string, EntryLocation, std::less<>>;

struct KeyRange {
  std::string first;
  std::string last;
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

struct SegmentFooter {
  SegmentHeader header;
  std::uint64_t data_end = 0;  // the index begins here, rounded up to a block
  std::uint64_t index_offset = 0;
  std::uint64_t index_bytes = 0;
  std::uint32_t index_crc = 0;
  std::uint32_t entries = 0;
  std::uint32_t removes = 0;  // of these, tombstones
  std::uint64_t last_sequence = 0;
  std::uint64_t damaged_bytes = 0;  // of what was durable, unreadable when the segment was sealed
  std::uint64_t torn_bytes =
      0;  // never durable, between entries: only the index knows that nothing is lost there
  std::vector<KeyRange> ranges;  // every key of the index lies in one of them
  friend bool operator==(const SegmentFooter&, const SegmentFooter&) = default;
};

inline std::uint64_t entry_bytes(std::uint64_t key_length, std::uint64_t value_length) {
  return round_up(kEntryHeaderBytes + key_length + value_length, kSegmentUnit);
}
inline std::uint64_t value_offset(const EntryLocation& location, std::string_view key) {
  return location.offset + kEntryHeaderBytes + key.size();
}

Buffer encode_segment_header(const SegmentHeader& header);
Result<SegmentHeader> decode_segment_header(ConstByteSpan block, std::string_view path);

void encode_entry_header(const EntryHeader& header, std::span<std::byte, kEntryHeaderBytes> into);
// Nothing unless these bytes are the header of an entry of this salt (0: any) at this offset.
std::optional<EntryHeader> decode_entry_header(ConstByteSpan bytes, std::uint64_t salt,
                                               std::uint64_t offset);

Buffer encode_segment_footer(const SegmentFooter& footer);
Result<SegmentFooter> decode_segment_footer(ConstByteSpan block, std::string_view path);
// Few ranges that cover all keys: one for each group of keys that agree up to their last ':', as
// long as they fit.
std::vector<KeyRange> key_ranges(const EntryMap& entries);

std::string segment_file_name(std::uint64_t number);  // "segment-<16 hex>.tlog"
std::optional<std::uint64_t> segment_number_of(
    std::string_view file_name);  // nothing for other files

}  // namespace tlog::store
