// File: tlog/journal/layout.h
// The journal's bytes (docs/format.md, "Journal"): records in a stream, and the superblock that
// says where it begins.
//
// The journal is one endless stream of bytes. Position p of it lives in segment file (p /
// segment_bytes) % segments at p % segment_bytes, and, while it is recent, in the arena at p %
// arena_bytes. Records are aligned to 64 bytes and never cross the end of a segment; a pad record
// fills what is left over. A record is valid only where it says that it is
// (`position`), under its journal's checksum seed, with the next sequence, and with an incarnation
// that never goes back: so neither an older lap of the ring nor the torn tail of an earlier life is
// ever taken for a record.
#pragma once

#include <optional>

#include "tlog/base/buffer.h"
#include "tlog/base/limits.h"
#include "tlog/base/types.h"
#include "tlog/format/metadata.h"

namespace tlog::journal {

using Position = std::uint64_t;  // of the stream, in bytes, from 0

constexpr std::size_t kRecordAlignment = 64;
constexpr std::size_t kRecordHeaderBytes = 64;
constexpr std::uint8_t kPadOperation = 0xff;  // besides tlog::Operation
constexpr std::uint32_t kDurableDistanceMax = (1u << 24) - 1;

struct RecordHeader {
  Position position = 0;
  Sequence sequence = 0;  // of a pad: of the next record
  TimestampNs timestamp = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;         // of the range in the vdisk
  std::uint32_t data_length = 0;  // bytes that follow the header, before alignment
  std::uint32_t data_crc = 0;     // CRC-32C of them
  std::uint32_t incarnation = 0;  // which opening of the journal wrote it
  std::uint8_t operation = 0;     // tlog::Operation or kPadOperation
  // What was durable when this was written, as blocks before `position` (24 bits). A record that is
  // missing below a later record's durable position was damaged, not torn: recovery must not take
  // it for the end.
  std::uint32_t durable_distance = 0;

  Position durable() const {
    std::uint64_t back = std::uint64_t{durable_distance} * kBlockAlignment;
    return position > back ? position - back : 0;
  }
  std::uint64_t stream_bytes() const {
    return kRecordHeaderBytes + round_up(data_length, kRecordAlignment);
  }
};

// `seed` is the journal's checksum seed: CRC-32C of its uuid.
void encode_record_header(const RecordHeader& header, std::uint32_t seed, std::byte* into);
// Nothing when the bytes are not a record header of this journal: the end of the journal, not an
// error.
std::optional<RecordHeader> decode_record_header(const std::byte* bytes, std::uint32_t seed);

constexpr std::size_t kSuperblockBytes =
    4096;  // two slots, written in turn; the newest intact one counts
constexpr std::uint16_t kJournalVersion = 1;

struct Superblock {
  std::uint64_t generation = 0;
  Uuid journal;
  format::VdiskFormat format;
  std::uint64_t segment_bytes = 0;
  std::uint32_t segments = 0;
  std::uint32_t incarnation = 0;
  bool created =
      false;  // false until the vdisk's metadata is stored: an interrupted creation may be repeated
  bool clean = false;  // closed with everything stored and applied
  // Where the journal begins: everything before is stored in the log and durable in block storage.
  Position tail = 0;
  Sequence tail_sequence = 1;      // of the record at `tail`
  TimestampNs tail_timestamp = 0;  // timestamps from here on are not smaller
  // The least incarnation that a record at the tail may have: what an earlier life left torn there
  // is not taken for it.
  std::uint32_t tail_incarnation = 0;
};

Buffer encode_superblock(const Superblock& superblock);  // kSuperblockBytes
Result<Superblock> decode_superblock(ConstByteSpan bytes, const std::string& path);

}  // namespace tlog::journal
