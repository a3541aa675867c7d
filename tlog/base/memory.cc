#include "tlog/base/memory.h"

#include <cstdlib>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>

namespace tlog {

void keep_freed_memory(std::size_t bytes) {
#if defined(__GLIBC__)
  // glibc accepts a threshold for mmap up to 32 MiB. A hint: whether it was taken does not matter.
  constexpr std::size_t kMmapThresholdMax = std::size_t{32} << 20;
  (void)mallopt(M_MMAP_THRESHOLD, static_cast<int>(std::min(bytes, kMmapThresholdMax)));
  (void)mallopt(M_TRIM_THRESHOLD, static_cast<int>(std::min<std::size_t>(bytes, 1u << 30)));
#else
  (void)bytes;
#endif
}

}  // namespace tlog
