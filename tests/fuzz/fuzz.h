// File: tests/fuzz/fuzz.h
// What the fuzz targets share.
#pragma once

#include "tlog/base/assert.h"
#include "tlog/base/buffer.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/types.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tlog::fuzz {

inline ConstByteSpan bytes_of_input(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

// A copy whose checksum at `at` is right for the bytes before it: without, no mutation gets past
// the checksum.
inline Buffer with_checksum(ConstByteSpan bytes, std::size_t at) {
  Buffer fixed = Buffer::copy_of(bytes);
  const std::uint32_t crc = crc32c(bytes.first(at));
  std::memcpy(fixed.data() + at, &crc, sizeof crc);
  return fixed;
}

}  // namespace tlog::fuzz
