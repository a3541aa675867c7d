// File: tlog/store/resp_health.h
// What people may know of a redis-protocol store. Threading: any thread.
#pragma once

#include <atomic>
#include <string>

#include "tlog/base/mutex.h"
#include "tlog/store/store.h"

namespace tlog::store {

class RespHealth {
 public:
  void set(StoreState state, std::string condition);
  // From now on it is about this server, of which nothing is known: whoever sees the new name sees
  // nothing of what was said of the old one.
  void begin(std::string name);
  void set_server(std::string server, std::string warning);
  void copy_to(StoreStatus& status) const;

  std::atomic<std::uint64_t> put_bytes = 0;
  std::atomic<std::uint64_t> get_bytes = 0;
  std::atomic<std::uint64_t> errors = 0;
  std::atomic<std::uint64_t> queued_bytes = 0;

 private:
  mutable Mutex mutex_;
  std::string name_ GUARDED_BY(mutex_);
  StoreState state_ GUARDED_BY(mutex_) = StoreState::kConnecting;
  std::string condition_ GUARDED_BY(mutex_) = "connecting";
  std::string server_ GUARDED_BY(mutex_);
  std::string warning_ GUARDED_BY(mutex_);
};

}  // namespace tlog::store
