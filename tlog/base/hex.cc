#include "tlog/base/hex.h"

namespace tlog {

namespace {

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<Hash256> parse_hash(std::string_view hex) {
  Hash256 hash;
  if (hex.find_first_of("ABCDEF") != std::string_view::npos) return std::nullopt;
  if (!read_hex(hex, std::as_writable_bytes(std::span(hash.bytes)))) return std::nullopt;
  return hash;
}

bool read_hex(std::string_view digits, ByteSpan into) {
  if (digits.size() != 2 * into.size()) return false;
  for (std::size_t i = 0; i < into.size(); ++i) {
    const int high = digit_value(digits[2 * i]);
    const int low = digit_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    into[i] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

}  // namespace tlog
