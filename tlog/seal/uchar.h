// File: tlog/seal/uchar.h
// Our bytes as libsodium and OpenSSL take them. Threading: pure functions.
#pragma once

#include <cstddef>

namespace tlog::seal {

inline const unsigned char* uchar(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
inline unsigned char* uchar(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}

}  // namespace tlog::seal
