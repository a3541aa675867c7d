#include "tlog/session/level.h"

#include <algorithm>

#include "tlog/base/clock.h"

namespace tlog::session {

std::uint64_t Level::value() const {
  MutexLock lock(mutex_);
  return value_;
}

void Level::set(std::uint64_t to) {
  MutexLock lock(mutex_);
  const bool is_higher = to > value_;
  value_ = to;
  if (is_higher) changed_.notify_all();
}

void Level::poison() {
  MutexLock lock(mutex_);
  poisoned_ = true;
  changed_.notify_all();
}

Watermark::Outcome Level::wait(std::uint64_t target, std::uint64_t timeout_ns) {
  const auto deadline = steady_now() + std::chrono::nanoseconds(std::min<std::uint64_t>(
                                           timeout_ns, std::uint64_t{1} << 61));
  MutexLock lock(mutex_);
  for (;;) {
    if (value_ >= target) return Watermark::Outcome::kReached;
    if (poisoned_) return Watermark::Outcome::kPoisoned;
    if (!changed_.wait_until(mutex_, deadline)) {
      return value_ >= target ? Watermark::Outcome::kReached : Watermark::Outcome::kTimeout;
    }
  }
}

}  // namespace tlog::session
