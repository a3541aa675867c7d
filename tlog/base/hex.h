// File: tlog/base/hex.h
// Reading what to_hex() (base/types.h) writes. Threading: pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "tlog/base/types.h"

namespace tlog {

// 64 lower-case digits, as Hash256::hex() gives them; nothing for everything else.
std::optional<Hash256> parse_hash(std::string_view hex);

// Twice as many digits as `into` has bytes, of either case; false for everything else.
bool read_hex(std::string_view digits, ByteSpan into);

}  // namespace tlog
