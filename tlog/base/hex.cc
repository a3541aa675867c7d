#include "tlog/base/hex.h"

namespace tlog {

std::optional<Hash256> parse_hash(std::string_view hex) {
  Hash256 hash;
  if (hex.size() != 2 * hash.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const std::size_t digit = std::string_view("0123456789abcdef").find(hex[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    hash.bytes[i / 2] = static_cast<std::uint8_t>(hash.bytes[i / 2] * 16 + digit);
  }
  return hash;
}

}  // namespace tlog
