// File: tlog/session/level.h
// Level: a sequence that grows and also goes back, and the threads that wait until it is as high as
// they want: at the time at which they look, not ever before (for that there is Watermark).
// Threading: any thread. After poison() every wait ends at once.
#pragma once

#include <cstdint>

#include "tlog/base/mutex.h"
#include "tlog/base/watermark.h"

namespace tlog::session {

class Level {
 public:
  std::uint64_t value() const;
  void set(std::uint64_t to);
  void poison();
  // `timeout_ns` from now. A target that is reached is kReached even when poisoned.
  Watermark::Outcome wait(std::uint64_t target, std::uint64_t timeout_ns);

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  std::uint64_t value_ GUARDED_BY(mutex_) = 0;
  bool poisoned_ GUARDED_BY(mutex_) = false;
};

}  // namespace tlog::session
