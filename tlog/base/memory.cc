#include "tlog/base/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

#include "tlog/base/mutex.h"
#include "tlog/base/types.h"

namespace tlog {
namespace {

constexpr std::size_t kPage = 4096;
// A frame of records, and what it is made from, is just below 256 KiB, or 64 KiB: smaller blocks
// are the C library's.
constexpr std::size_t kLargeFrom = 32 * kKiB;
constexpr std::size_t kLargeMax = 16 * kMiB;  // larger ones are not kept
constexpr std::size_t kKeptBytesMax = 48 * kMiB;
constexpr std::size_t kKeptMax = 512;

// Sanitizers want to see each allocation.
#if defined(__has_feature)
#define TLOG_SANITIZED __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#else
#define TLOG_SANITIZED 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || TLOG_SANITIZED
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

void unmap(MemoryBlock block) {
  munmap(block.data, block.capacity);
}

// Freed blocks, the newest last; their pages stay.
class KeptBlocks {
 public:
  // One that fits, and is not more than twice as large as it needs to be.
  MemoryBlock take(std::size_t size) {
    MutexLock lock(mutex_);
    for (std::size_t i = count_; i-- > 0;) {
      if (blocks_[i].capacity < size || blocks_[i].capacity / 2 > size) continue;
      return remove(i);
    }
    return {};
  }
  void keep(MemoryBlock block) {
    std::array<MemoryBlock, kKeptMax> too_many;
    std::size_t evicted = 0;
    {
      MutexLock lock(mutex_);
      while (count_ > 0 && (count_ == kKeptMax || bytes_ + block.capacity > kKeptBytesMax)) {
        too_many[evicted++] = remove(0);
      }
      blocks_[count_++] = block;
      bytes_ += block.capacity;
    }
    while (evicted > 0) unmap(too_many[--evicted]);
  }

 private:
  MemoryBlock remove(std::size_t index) REQUIRES(mutex_) {
    MemoryBlock block = blocks_[index];
    std::copy(blocks_.begin() + index + 1, blocks_.begin() + count_, blocks_.begin() + index);
    --count_;
    bytes_ -= block.capacity;
    return block;
  }

  Mutex mutex_;
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  std::size_t count_ GUARDED_BY(mutex_) = 0;
  std::array<MemoryBlock, kKeptMax> blocks_ GUARDED_BY(mutex_){};
};
constinit KeptBlocks kept_blocks;  // an allocator is the one thing that a process has one of

// Of the capacity, always: who gives a block back knows no more than that, and what is the C
// library's must never be kept here, nor unmapped.
bool is_large(std::size_t capacity) {
  return kKeeps && capacity >= kLargeFrom && capacity <= kLargeMax;
}
}  // namespace

MemoryBlock take_block(std::size_t size) {
  const std::size_t capacity = round_up(size == 0 ? 1 : size, kPage);
  if (!is_large(capacity)) {
    auto* data = static_cast<std::byte*>(std::aligned_alloc(kPage, capacity));
    if (data == nullptr) throw std::bad_alloc();
    return {data, capacity};
  }
  if (MemoryBlock kept = kept_blocks.take(size); kept.data != nullptr) return kept;
  void* data = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<std::byte*>(data), capacity};
}

void give_block(MemoryBlock block) {
  if (block.data == nullptr) return;
  if (is_large(block.capacity)) return kept_blocks.keep(block);
  std::free(block.data);
}

}  // namespace tlog
