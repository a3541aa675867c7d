#include "tests/crash/stamp.h"

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"

namespace tlog::crash {
namespace {

constexpr std::uint64_t kMagic = 0x6c6c6563676f6c74ULL;  // "tlogcell"
constexpr std::size_t kCrcAt = kCellBytes - sizeof(std::uint32_t);

struct Header {
  std::uint64_t magic;
  std::uint64_t cell;
  std::uint64_t operation;
};

void stamp_cell(std::byte* bytes, std::uint64_t cell, OperationId operation) {
  const Header header{.magic = kMagic, .cell = cell, .operation = operation};
  std::memcpy(bytes, &header, sizeof header);
  std::uint64_t filler = (cell + 1) * 0x9e3779b97f4a7c15ULL ^ operation * 0xbf58476d1ce4e5b9ULL;
  for (std::size_t at = sizeof header; at < kCrcAt; at += sizeof filler) {
    filler = filler * 6364136223846793005ULL + 1442695040888963407ULL;
    std::memcpy(bytes + at, &filler, std::min(sizeof filler, kCrcAt - at));
  }
  const std::uint32_t crc = crc32c(ConstByteSpan(bytes, kCrcAt));
  std::memcpy(bytes + kCrcAt, &crc, sizeof crc);
}

}  // namespace

void stamp(ByteSpan bytes, std::uint64_t first_cell, OperationId operation) {
  TLOG_ASSERT(bytes.size() % kCellBytes == 0);
  for (std::size_t at = 0; at < bytes.size(); at += kCellBytes) {
    stamp_cell(bytes.data() + at, first_cell + at / kCellBytes, operation);
  }
}

CellSeen read_stamp(ConstByteSpan cell_bytes, std::uint64_t cell) {
  TLOG_ASSERT(cell_bytes.size() == kCellBytes);
  Header header;
  std::memcpy(&header, cell_bytes.data(), sizeof header);
  if (header.magic == 0 && std::all_of(cell_bytes.begin(), cell_bytes.end(),
                                       [](std::byte b) { return b == std::byte{0}; })) {
    return {};
  }
  std::uint32_t crc = 0;
  std::memcpy(&crc, cell_bytes.data() + kCrcAt, sizeof crc);
  if (header.magic != kMagic || crc != crc32c(cell_bytes.first(kCrcAt)))
    return {.state = CellState::kTorn};
  if (header.cell != cell) {
    return {.state = CellState::kMisplaced, .operation = header.operation, .cell = header.cell};
  }
  return {.state = CellState::kStamped, .operation = header.operation, .cell = cell};
}

}  // namespace tlog::crash
