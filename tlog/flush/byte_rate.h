// File: tlog/flush/byte_rate.h
// ByteRate: how much may be read by now, so that in any span of time it is not more than the rate
// allows, and a short burst. What was not used while a store hung or writes went first is not made
// up for later; what was read beyond it (how long a shard is shows when it has come) is waited for.
//
// Threading: a value. Time is monotonic. The rate may be another one with each call; 0 is no limit.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tlog/base/types.h"

namespace tlog::flush {

class ByteRate {
 public:
  static constexpr std::uint64_t kBurstMin = 64 * kKiB;

  explicit ByteRate(std::uint64_t now_ns) : earned_ns_(now_ns) {}

  static double burst(std::uint64_t bytes_per_second) {
    // A tenth of a second: who asks that seldom loses nothing.
    return static_cast<double>(std::max(kBurstMin, bytes_per_second / 10));
  }
  // May one more thing be read?
  bool may_read(std::uint64_t bytes_per_second, std::uint64_t now_ns) {
    if (bytes_per_second == 0) return true;
    const double passed = static_cast<double>(now_ns - earned_ns_) / 1e9;
    earned_ns_ = now_ns;
    left_ =
        std::min(burst(bytes_per_second), left_ + passed * static_cast<double>(bytes_per_second));
    return left_ > 0;
  }
  void has_read(std::uint64_t bytes) { left_ -= static_cast<double>(bytes); }
  // After how long may_read() says yes.
  std::uint64_t wait_ns(std::uint64_t bytes_per_second) const {
    if (bytes_per_second == 0 || left_ > 0) return 0;
    return static_cast<std::uint64_t>(-left_ / static_cast<double>(bytes_per_second) * 1e9) + 1;
  }

 private:
  std::uint64_t earned_ns_;  // up to when
  double left_ = kBurstMin;  // below 0: ahead of the rate
};

}  // namespace tlog::flush
