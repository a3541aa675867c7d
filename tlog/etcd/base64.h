// File: tlog/etcd/base64.h
// Base64 with padding (RFC 4648), in which etcd's gateway writes keys and values. Threading: pure
// functions.
#pragma once

#include <string>
#include <string_view>

#include "tlog/base/result.h"

namespace tlog::etcd {

std::string encode_base64(std::string_view bytes);
Result<std::string> decode_base64(std::string_view text);  // kCorruption

}  // namespace tlog::etcd
