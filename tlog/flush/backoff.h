// File: tlog/flush/backoff.h
// Backoff: how long to wait before the next attempt at something that failed: doubling, with jitter
// so that many writers do not return to a store at the same moment. Threading: a value.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tlog/base/random.h"

namespace tlog::flush {

constexpr std::uint64_t kBackoffMinNs = 50'000'000;
constexpr std::uint64_t kBackoffMaxNs = 5'000'000'000;

class Backoff {
 public:
  // Between half of the current wait and all of it.
  std::uint64_t next_ns(Random& random) {
    std::uint64_t wait = wait_ns_;
    wait_ns_ = std::min(kBackoffMaxNs, wait_ns_ * 2);
    return wait / 2 + random.next_u64() % (wait / 2 + 1);
  }
  void reset() { wait_ns_ = kBackoffMinNs; }

 private:
  std::uint64_t wait_ns_ = kBackoffMinNs;
};

}  // namespace tlog::flush
