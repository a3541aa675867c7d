// File: tlog/base/use_gate.h
// UseGate: for who borrows something that another one destroys one day: each use is announced, and
// close() returns when there is none any more and there will be none. Threading: any.
#pragma once

#include <atomic>

#include "tlog/base/mutex.h"

namespace tlog {

class UseGate {
 public:
  // While it is held, and true, what the gate stands before is there. Nothing may be waited for
  // meanwhile.
  class Use {
   public:
    explicit Use(const UseGate& gate) : gate_(gate), entered_(gate.enter()) {}
    ~Use() {
      if (entered_) gate_.leave();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    explicit operator bool() const { return entered_; }

   private:
    const UseGate& gate_;
    const bool entered_;
  };

  // Not while this thread holds a Use.
  void close() const {
    MutexLock lock(mutex_);
    closed_ = true;
    while (uses_ > 0) unused_.wait(mutex_);
  }
  bool closed() const { return closed_.load(); }

 private:
  bool enter() const {
    MutexLock lock(mutex_);
    if (closed_) return false;
    ++uses_;
    return true;
  }
  void leave() const {
    MutexLock lock(mutex_);
    if (--uses_ == 0) unused_.notify_all();
  }

  mutable Mutex mutex_;
  mutable CondVar unused_;
  mutable unsigned uses_ GUARDED_BY(mutex_) = 0;
  mutable std::atomic<bool> closed_{false};  // set under the mutex
};

}  // namespace tlog
