// File: tlog/base/types.h
// The field's words as types. Sequences, epochs and numbers start at 1; 0 means "none".
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "tlog/base/result.h"

namespace tlog {

using Sequence = std::uint64_t;           // one per logged operation, dense, from 1, never restarts
using Epoch = std::uint64_t;              // one writer at a time; each opening for writing claims the next
using AggregationNumber = std::uint64_t;  // dense, from 1, across epochs
using TimestampNs = std::uint64_t;        // nanoseconds since 1970, UTC

using ByteSpan = std::span<std::byte>;
using ConstByteSpan = std::span<const std::byte>;

struct Hash256 {
  std::array<std::uint8_t, 32> bytes{};
  friend bool operator==(const Hash256&, const Hash256&) = default;
  std::string hex() const;
};

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
  bool is_nil() const { return *this == Uuid{}; }
  std::string text() const;  // 8-4-4-4-12, lower case
  static Result<Uuid> parse(std::string_view text);
};

// What a record does to the vdisk. The values are part of the formats (docs/format.md).
enum class Operation : std::uint8_t {
  kWrite = 1,    // bytes
  kDiscard = 2,  // range becomes a hole, reads as zeros
  kZero = 3,     // range becomes allocated zeros
  kMark = 4,     // a named restore point; touches no range
  kFlush = 5,    // a flush barrier, for readers of the log; touches no range
};

std::string_view operation_name(Operation operation);
bool is_known_operation(std::uint8_t value);

std::string to_hex(ConstByteSpan bytes);
bool all_zero(ConstByteSpan bytes);

// Not for text: bytes_of("literal") would otherwise be an array with its closing zero.
template <class T>
  requires(!std::is_convertible_v<const T&, std::string_view>)
ConstByteSpan bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}
inline ConstByteSpan bytes_of(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}
constexpr std::uint64_t round_down(std::uint64_t value, std::uint64_t to) { return value / to * to; }

}  // namespace tlog
