// File: tlog/base/crc32c.h
// CRC-32C (Castagnoli, reflected, initial and final inversion; RFC 3720 appendix B.4), by ISA-L.
// crc32c("123456789") == 0xe3069283. Threading: any thread.
#pragma once

#include <cstdint>

#include "tlog/base/types.h"

namespace tlog {

// `seed` is the CRC of the bytes before these, 0 at the start: crc32c(b, crc32c(a)) == crc32c(a +
// b).
std::uint32_t crc32c(ConstByteSpan bytes, std::uint32_t seed = 0);

}  // namespace tlog
