#include "tlog/base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace tlog {

std::uint32_t crc32c(ConstByteSpan bytes, std::uint32_t seed) {
  constexpr std::size_t kStep = std::size_t{1} << 30;  // ISA-L counts in int
  std::uint32_t crc = ~seed;
  while (!bytes.empty()) {
    std::size_t part = std::min(bytes.size(), kStep);
    // ISA-L only reads; its C prototype lacks the const.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    crc = crc32_iscsi(data, static_cast<int>(part), crc);
    bytes = bytes.subspan(part);
  }
  return ~crc;
}

}  // namespace tlog
