#include "tlog/base/memory.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <new>

#include "tlog/base/mutex.h"
#include "tlog/base/types.h"

namespace tlog {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLargeFrom = 256 * kKiB;  // smaller ones are the C library's
constexpr std::size_t kLargeMax = 64 * kMiB;    // larger ones are not kept
constexpr std::size_t kKeptBytesMax = 32 * kMiB;
constexpr std::size_t kKeptPerClass = 8;
constexpr int kClasses = 9;  // 256 KiB, 512 KiB ... 64 MiB
static_assert(kLargeFrom << (kClasses - 1) == kLargeMax);

// Sanitizers want to see each allocation.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

// Freed blocks by size class, each a power of two; their pages stay.
class KeptBlocks {
 public:
  std::byte* take(int size_class) {
    MutexLock lock(mutex_);
    std::size_t& count = counts_[static_cast<std::size_t>(size_class)];
    if (count == 0) return nullptr;
    bytes_ -= kLargeFrom << size_class;
    return blocks_[static_cast<std::size_t>(size_class)][--count];
  }
  bool keep(int size_class, std::byte* block) {
    MutexLock lock(mutex_);
    std::size_t& count = counts_[static_cast<std::size_t>(size_class)];
    std::size_t size = kLargeFrom << size_class;
    if (count == kKeptPerClass || bytes_ + size > kKeptBytesMax) return false;
    blocks_[static_cast<std::size_t>(size_class)][count++] = block;
    bytes_ += size;
    return true;
  }

 private:
  Mutex mutex_;
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  std::array<std::size_t, kClasses> counts_ GUARDED_BY(mutex_){};
  std::array<std::array<std::byte*, kKeptPerClass>, kClasses> blocks_ GUARDED_BY(mutex_){};
};
constinit KeptBlocks kept_blocks;  // an allocator is the one thing that a process has one of

bool is_large(std::size_t size) {
  return kKeeps && size >= kLargeFrom && size <= kLargeMax;
}
int class_of(std::size_t size) {
  return std::bit_width((size - 1) / kLargeFrom);
}

}  // namespace

MemoryBlock take_block(std::size_t size) {
  if (!is_large(size)) {
    std::size_t capacity = round_up(size == 0 ? 1 : size, kPage);
    auto* data = static_cast<std::byte*>(std::aligned_alloc(kPage, capacity));
    if (data == nullptr) throw std::bad_alloc();
    return {data, capacity};
  }
  const int size_class = class_of(size);
  const std::size_t capacity = kLargeFrom << size_class;
  if (std::byte* kept = kept_blocks.take(size_class)) return {kept, capacity};
  void* data = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<std::byte*>(data), capacity};
}

void give_block(MemoryBlock block) {
  if (block.data == nullptr) return;
  if (!is_large(block.capacity)) {
    std::free(block.data);
    return;
  }
  if (!kept_blocks.keep(class_of(block.capacity), block.data)) munmap(block.data, block.capacity);
}

}  // namespace tlog
