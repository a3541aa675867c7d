// File: tlog/base/memory.h
// Where Buffer (base/buffer.h) gets its memory. The pipeline takes and frees buffers of a megabyte
// for every aggregation. From the C library they are either given back to the system each time, and
// faulting their pages in again costs as much as sealing them, or they stay in heaps that fragment
// to several times what is in use. So large blocks come from the system directly and a bounded
// number of freed ones is kept for the next taker.
//
// Threading: any thread.
#pragma once

#include <cstddef>

namespace tlog {

struct MemoryBlock {
  std::byte* data = nullptr;  // aligned to a page
  std::size_t capacity = 0;   // at least what was asked for
};

// Never null: out of memory is std::bad_alloc.
MemoryBlock take_block(std::size_t size);
void give_block(MemoryBlock block);

}  // namespace tlog
