// File: tlog/base/memory.h
// How the process treats memory it has freed.
#pragma once

#include <cstddef>

namespace tlog {

// Lets the allocator keep up to `bytes` of freed memory (of each of its arenas) instead of giving
// it back to the system at once. The pipeline allocates and frees buffers of a megabyte for every
// aggregation; giving them back each time and faulting the pages in again costs as much as sealing
// them (0.65 against 1.05 GB/s measured). Called once by the program that owns the process, before
// threads start. Does nothing where the C library has no such setting.
void keep_freed_memory(std::size_t bytes);

}  // namespace tlog
