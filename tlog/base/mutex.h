// File: tlog/base/mutex.h
// Mutex, MutexLock and CondVar with clang's thread-safety annotations (checked by the `tidy`
// preset).
#pragma once

#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>

#include "tlog/base/environment.h"

#if defined(__clang__)
#define TLOG_ANNOTATE(x) __attribute__((x))
#else
#define TLOG_ANNOTATE(x)
#endif
#define CAPABILITY(x) TLOG_ANNOTATE(capability(x))
#define SCOPED_CAPABILITY TLOG_ANNOTATE(scoped_lockable)
#define GUARDED_BY(x) TLOG_ANNOTATE(guarded_by(x))
#define PT_GUARDED_BY(x) TLOG_ANNOTATE(pt_guarded_by(x))
#define REQUIRES(...) TLOG_ANNOTATE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) TLOG_ANNOTATE(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) TLOG_ANNOTATE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) TLOG_ANNOTATE(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS TLOG_ANNOTATE(no_thread_safety_analysis)

namespace tlog {

class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class CondVar {
 public:
  void wait(Mutex& mutex) REQUIRES(mutex) {
    if (thread_environment != nullptr) {
      return thread_environment->wait(*this, mutex, std::numeric_limits<std::uint64_t>::max());
    }
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False when `deadline`, by system_clock()'s monotonic_ns(), has passed.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline) REQUIRES(mutex) {
    if (thread_environment != nullptr) {
      const auto deadline_ns = static_cast<std::uint64_t>(deadline.time_since_epoch().count());
      thread_environment->wait(*this, mutex, deadline_ns);
      return thread_environment->monotonic_ns() < deadline_ns;
    }
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    bool in_time = condition_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }
  void notify_one() {
    if (thread_environment != nullptr) return thread_environment->notified(*this);
    condition_.notify_one();
  }
  void notify_all() {
    if (thread_environment != nullptr) return thread_environment->notified(*this);
    condition_.notify_all();
  }

 private:
  std::condition_variable condition_;
};

}  // namespace tlog
