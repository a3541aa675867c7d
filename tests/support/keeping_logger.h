// KeepingLogger: keeps the lines, for tests that look what was said. Threading: any thread.
#pragma once

#include <string>

#include "tlog/base/log.h"
#include "tlog/base/mutex.h"

namespace tlog::testing {

class KeepingLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view line) override {
    MutexLock lock(mutex_);
    lines_.append(line).append("\n");
  }
  bool has(std::string_view text) const {
    MutexLock lock(mutex_);
    return lines_.find(text) != std::string::npos;
  }
  std::string lines() const {
    MutexLock lock(mutex_);
    return lines_;
  }

 private:
  mutable Mutex mutex_;
  std::string lines_ GUARDED_BY(mutex_);
};

}  // namespace tlog::testing
