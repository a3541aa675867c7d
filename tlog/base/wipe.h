// File: tlog/base/wipe.h
// Wiping: what held a secret is overwritten before its memory is anybody else's. Not removed by the
// compiler. For secrets that pass through plain memory (messages, frames); a key that stays lives
// in seal/sodium.h's memory, which is locked as well. Threading: any thread.
#pragma once

#include <memory>

#include "tlog/base/types.h"

namespace tlog {

void wipe(ByteSpan bytes);

// For containers of secrets: whatever they let go of is wiped, also when they grow, are moved from
// or are copied.
template <class T, class Upstream = std::allocator<T>>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class Other, class From>
  WipingAllocator(const WipingAllocator<Other, From>&) {}  // NOLINT(google-explicit-constructor)
  T* allocate(std::size_t count) { return Upstream().allocate(count); }
  void deallocate(T* at, std::size_t count) {
    wipe(std::as_writable_bytes(std::span(at, count)));
    Upstream().deallocate(at, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

}  // namespace tlog
