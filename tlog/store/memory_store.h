// File: tlog/store/memory_store.h
// What a memory store holds, for tests that open it again, look into it, or make it fail. Programs
// need only make_memory_store() of stores.h.
//
// Threading: every call from any thread; what is set applies to the calls of the store that come
// afterwards.
#pragma once

#include <map>
#include <string>

#include "tlog/base/mutex.h"
#include "tlog/base/types.h"

namespace tlog::store {

class MemoryStoreContents {
 public:
  using Values = std::map<std::string, std::string>;

  // Answers of the next `puts` puts and removes: an error with this code, and nothing is changed.
  void fail_next_puts(unsigned puts, Code code = Code::kIoError) {
    MutexLock lock(mutex_);
    puts_to_fail_ = puts;
    put_code_ = code;
  }
  // While on, every call answers kUnavailable.
  void refuse(bool on) {
    MutexLock lock(mutex_);
    refuses_ = on;
  }
  // Every answer comes so much later. What a put says success for is there only then.
  void delay(std::uint64_t delay_ns) {
    MutexLock lock(mutex_);
    delay_ns_ = delay_ns;
  }
  // Runs `change` on the values: to look, to lose or to corrupt them.
  template <class Change>
  void edit(Change change) {
    MutexLock lock(mutex_);
    change(values_);
  }

 private:
  friend class MemoryStore;

  Mutex mutex_;
  Values values_ GUARDED_BY(mutex_);
  unsigned puts_to_fail_ GUARDED_BY(mutex_) = 0;
  Code put_code_ GUARDED_BY(mutex_) = Code::kIoError;
  bool refuses_ GUARDED_BY(mutex_) = false;
  std::uint64_t delay_ns_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tlog::store
