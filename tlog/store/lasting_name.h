// File: tlog/store/lasting_name.h
// LastingName: a name that may change while others hold references to it: those stay valid, and
// what they refer to never changes. Names are few, and each is kept once. Threading: any thread.
#pragma once

#include <atomic>
#include <set>
#include <string>

#include "tlog/base/mutex.h"

namespace tlog::store {

class LastingName {
 public:
  explicit LastingName(std::string name) { change(std::move(name)); }

  const std::string& get() const { return *current_.load(); }
  void change(std::string name) {
    MutexLock lock(mutex_);
    current_ = &*names_.insert(std::move(name)).first;
  }

 private:
  Mutex mutex_;
  std::set<std::string> names_ GUARDED_BY(mutex_);
  std::atomic<const std::string*> current_{nullptr};
};

}  // namespace tlog::store
