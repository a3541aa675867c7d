#include "tlog/journal/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "tlog/base/crc32c.h"

namespace tlog::journal {
namespace {

constexpr std::uint32_t kRecordMagic = 0x31524c54;              // "TLR1"
constexpr std::uint64_t kSuperblockMagic = 0x314e524a474f4c54;  // "TLOGJRN1"
constexpr std::size_t kNameBytesMax = 64;

// Little-endian fields at fixed places; the machines we run on are little-endian.
static_assert(std::endian::native == std::endian::little);

template <class T>
void put(std::byte* base, std::size_t at, const T& value) {
  std::memcpy(base + at, &value, sizeof(T));
}
template <class T>
T get(const std::byte* base, std::size_t at) {
  T value;
  std::memcpy(&value, base + at, sizeof(T));
  return value;
}

}  // namespace

void encode_record_header(const RecordHeader& header, std::uint32_t seed, std::byte* into) {
  put(into, 0, kRecordMagic);
  put(into, 8, header.position);
  put(into, 16, header.sequence);
  put(into, 24, header.timestamp);
  put(into, 32, header.offset);
  put(into, 40, header.size);
  put(into, 48, header.data_length);
  put(into, 52, header.data_crc);
  put(into, 56, header.incarnation);
  put(into, 60, std::uint32_t{header.operation} | header.durable_distance << 8);
  put(into, 4, crc32c({into + 8, kRecordHeaderBytes - 8}, seed));
}

std::optional<RecordHeader> decode_record_header(const std::byte* bytes, std::uint32_t seed) {
  if (get<std::uint32_t>(bytes, 0) != kRecordMagic) return std::nullopt;
  if (get<std::uint32_t>(bytes, 4) != crc32c({bytes + 8, kRecordHeaderBytes - 8}, seed)) {
    return std::nullopt;
  }
  RecordHeader header;
  header.position = get<std::uint64_t>(bytes, 8);
  header.sequence = get<std::uint64_t>(bytes, 16);
  header.timestamp = get<std::uint64_t>(bytes, 24);
  header.offset = get<std::uint64_t>(bytes, 32);
  header.size = get<std::uint64_t>(bytes, 40);
  header.data_length = get<std::uint32_t>(bytes, 48);
  header.data_crc = get<std::uint32_t>(bytes, 52);
  header.incarnation = get<std::uint32_t>(bytes, 56);
  auto word = get<std::uint32_t>(bytes, 60);
  header.operation = static_cast<std::uint8_t>(word);
  header.durable_distance = word >> 8;
  return header;
}

Buffer encode_superblock(const Superblock& superblock) {
  Buffer buffer(kSuperblockBytes);
  std::memset(buffer.data(), 0, buffer.size());
  std::byte* at = buffer.data();
  put(at, 0, kSuperblockMagic);
  put(at, 8, kJournalVersion);
  put(at, 10, std::uint8_t{superblock.created});
  put(at, 11, std::uint8_t{superblock.clean});
  put(at, 16, superblock.generation);
  put(at, 24, superblock.journal.bytes);
  put(at, 40, superblock.format.vdisk.bytes);
  put(at, 56, superblock.format.size);
  put(at, 64, superblock.format.block_size);
  put(at, 68, superblock.format.data_shards);
  put(at, 69, superblock.format.parity_shards);
  put(at, 72, superblock.segment_bytes);
  put(at, 80, superblock.segments);
  put(at, 84, superblock.incarnation);
  put(at, 88, superblock.tail);
  put(at, 96, superblock.tail_sequence);
  put(at, 104, superblock.tail_timestamp);
  std::size_t name_bytes = std::min(superblock.format.name.size(), kNameBytesMax);
  put(at, 112, static_cast<std::uint32_t>(name_bytes));
  std::memcpy(at + 116, superblock.format.name.data(), name_bytes);
  put(at, 184, superblock.tail_incarnation);
  put(at, kSuperblockBytes - 4, crc32c({at, kSuperblockBytes - 4}));
  return buffer;
}

Result<Superblock> decode_superblock(ConstByteSpan bytes, const std::string& path) {
  const std::byte* at = bytes.data();
  if (bytes.size() != kSuperblockBytes || get<std::uint64_t>(at, 0) != kSuperblockMagic) {
    return fail(Code::kCorruption,
                fmt::format("open journal: {}: not a tlogdisk journal superblock", path));
  }
  // The version comes before the checksum: a later format may put it elsewhere.
  if (auto version = get<std::uint16_t>(at, 8); version > kJournalVersion) {
    return fail(Code::kNotSupported,
                fmt::format("open journal: {}: format version {} is newer than this program's {}; "
                            "open it with the tlogdisk that wrote it, or a newer one",
                            path, version, kJournalVersion));
  }
  if (get<std::uint32_t>(at, kSuperblockBytes - 4) != crc32c({at, kSuperblockBytes - 4})) {
    return fail(Code::kCorruption,
                fmt::format("open journal: {}: superblock checksum is wrong", path));
  }
  Superblock superblock;
  superblock.created = get<std::uint8_t>(at, 10) != 0;
  superblock.clean = get<std::uint8_t>(at, 11) != 0;
  superblock.generation = get<std::uint64_t>(at, 16);
  superblock.journal.bytes = get<std::array<std::uint8_t, 16>>(at, 24);
  superblock.format.vdisk.bytes = get<std::array<std::uint8_t, 16>>(at, 40);
  superblock.format.size = get<std::uint64_t>(at, 56);
  superblock.format.block_size = get<std::uint32_t>(at, 64);
  superblock.format.data_shards = get<std::uint8_t>(at, 68);
  superblock.format.parity_shards = get<std::uint8_t>(at, 69);
  superblock.segment_bytes = get<std::uint64_t>(at, 72);
  superblock.segments = get<std::uint32_t>(at, 80);
  superblock.incarnation = get<std::uint32_t>(at, 84);
  superblock.tail = get<std::uint64_t>(at, 88);
  superblock.tail_sequence = get<std::uint64_t>(at, 96);
  superblock.tail_timestamp = get<std::uint64_t>(at, 104);
  superblock.tail_incarnation = get<std::uint32_t>(at, 184);
  auto name_bytes = get<std::uint32_t>(at, 112);
  bool sane = name_bytes <= kNameBytesMax && superblock.segment_bytes >= kMiB &&
              superblock.segment_bytes <= 16 * kGiB && superblock.segment_bytes % kMiB == 0 &&
              superblock.segments >= 2 && superblock.segments <= 65536 &&
              superblock.tail % kRecordAlignment == 0 && superblock.tail_sequence >= 1;
  if (!sane) {
    return fail(Code::kCorruption,
                fmt::format("open journal: {}: superblock has impossible values", path));
  }
  superblock.format.name.assign(reinterpret_cast<const char*>(at + 116), name_bytes);
  return superblock;
}

}  // namespace tlog::journal
