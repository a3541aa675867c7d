#include "tlog/base/types.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog {

bool all_zero(ConstByteSpan bytes) {
  std::uint64_t first = 0;
  if (bytes.size() < sizeof first) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
  }
  std::memcpy(&first, bytes.data(), sizeof first);
  // Nearly all data ends here; the rest compares the bytes with themselves one word on.
  if (first != 0) return false;
  return std::memcmp(bytes.data(), bytes.data() + sizeof first, bytes.size() - sizeof first) == 0;
}

std::string to_hex(ConstByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::byte byte : bytes) {
    text.push_back(kDigits[std::to_integer<unsigned>(byte) >> 4]);
    text.push_back(kDigits[std::to_integer<unsigned>(byte) & 15]);
  }
  return text;
}

std::string Hash256::hex() const {
  return to_hex(std::as_bytes(std::span(bytes)));
}

std::string Uuid::text() const {
  std::string hex = to_hex(std::as_bytes(std::span(bytes)));
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

Result<Uuid> Uuid::parse(std::string_view text) {
  Uuid uuid;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '-' && (i == 8 || i == 13 || i == 18 || i == 23)) continue;
    int value = (c >= '0' && c <= '9')   ? c - '0'
                : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                         : -1;
    if (value < 0 || digits == 32) {
      return fail(Code::kInvalidArgument, fmt::format("uuid: '{}': not a uuid", text));
    }
    auto& byte = uuid.bytes[digits / 2];
    byte = static_cast<std::uint8_t>((byte << 4) | value);
    ++digits;
  }
  if (digits != 32)
    return fail(Code::kInvalidArgument, fmt::format("uuid: '{}': not a uuid", text));
  return uuid;
}

std::string_view operation_name(Operation operation) {
  switch (operation) {
    case Operation::kWrite:
      return "write";
    case Operation::kDiscard:
      return "discard";
    case Operation::kZero:
      return "zero";
    case Operation::kMark:
      return "mark";
    case Operation::kFlush:
      return "flush";
  }
  return "unknown";
}

bool is_known_operation(std::uint8_t value) {
  return value >= static_cast<std::uint8_t>(Operation::kWrite) &&
         value <= static_cast<std::uint8_t>(Operation::kFlush);
}

}  // namespace tlog
