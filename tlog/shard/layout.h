// File: tlog/shard/layout.h
// Where the fields of a stored shard's header are (docs/format.md, "Shard").
#pragma once

#include "tlog/shard/shard.h"

namespace tlog::shard::layout {

constexpr std::string_view kMagic = "TLOGSHRD";
constexpr std::uint16_t kVersion = 1;

constexpr std::size_t kVersionAt = 8;        // u16
constexpr std::size_t kDataAt = 10;          // u8: k
constexpr std::size_t kParityAt = 11;        // u8: m
constexpr std::size_t kIndexAt = 12;         // u8
constexpr std::size_t kVdiskAt = 16;         // 16 bytes
constexpr std::size_t kEpochAt = 32;         // u64
constexpr std::size_t kNumberAt = 40;        // u64
constexpr std::size_t kPieceLengthAt = 48;   // u64
constexpr std::size_t kSealedLengthAt = 56;  // u64
constexpr std::size_t kHashAt = 64;          // 32 bytes
constexpr std::size_t kReservedAt = 96;      // zeros to the end of the header

}  // namespace tlog::shard::layout
