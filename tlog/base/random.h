// File: tlog/base/random.h
// Unpredictable bytes (uuids, salts, jitter), behind an interface so that a simulation can be
// replayed. Threading: any thread.
#pragma once

#include "tlog/base/types.h"

namespace tlog {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(ByteSpan bytes) = 0;

  std::uint64_t next_u64() {
    std::uint64_t value = 0;
    fill(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  Uuid next_uuid();  // version 4
};

// getrandom(2), or what the thread's environment gives instead. Stateless; the reference is valid
// for ever.
Random& system_random();

}  // namespace tlog
