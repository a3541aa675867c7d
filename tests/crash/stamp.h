// File: tests/crash/stamp.h
// What the crash tests write: every 512-byte cell says where it belongs and which operation wrote
// it, so that any cell read back explains itself. Layout, little endian: magic u64, cell u64,
// operation u64, filler derived from the two, CRC32C u32 of all before it.
#pragma once

#include <cstdint>

#include "tlog/base/types.h"

namespace tlog::crash {

constexpr std::uint64_t kCellBytes = 512;
constexpr std::uint64_t kBlockBytes = 4096;  // the unit of the atomicity promise
constexpr std::uint64_t kCellsPerBlock = kBlockBytes / kCellBytes;

// Operations are numbered from 1 over all rounds on one disk.
using OperationId = std::uint64_t;

enum class CellState : std::uint8_t {
  kZero,       // 512 zero bytes
  kStamped,    // a whole stamp of this cell
  kMisplaced,  // a whole stamp of another cell
  kTorn,       // anything else
};

struct CellSeen {
  CellState state = CellState::kZero;
  OperationId operation = 0;  // of kStamped and kMisplaced
  std::uint64_t cell = 0;     // what the stamp of kMisplaced says
  friend bool operator==(const CellSeen&, const CellSeen&) = default;
};

// Fills `bytes` (whole cells) as `operation` writes them from cell `first_cell` on.
void stamp(ByteSpan bytes, std::uint64_t first_cell, OperationId operation);
CellSeen read_stamp(ConstByteSpan cell_bytes, std::uint64_t cell);

}  // namespace tlog::crash
