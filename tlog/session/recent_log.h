// File: tlog/session/recent_log.h
// RecentLog: the newest committed aggregations as their writer knows them, without asking a store:
// the log's side of a comparison with what follows it. Threading: any thread.
#pragma once

#include <deque>
#include <optional>

#include "tlog/base/mutex.h"
#include "tlog/format/metadata.h"

namespace tlog::session {

class RecentLog {
 public:
  void add(const format::AggregationReference& reference) {
    MutexLock lock(mutex_);
    all_.push_back(reference);
    if (all_.size() > kMax) all_.pop_front();
  }
  std::optional<format::AggregationReference> newest() const {
    MutexLock lock(mutex_);
    if (all_.empty()) return std::nullopt;
    return all_.back();
  }
  // The one that holds the sequence, or nothing when it is too old, or not committed.
  std::optional<format::AggregationReference> with(Sequence sequence) const {
    MutexLock lock(mutex_);
    for (auto it = all_.rbegin(); it != all_.rend() && it->last_sequence >= sequence; ++it) {
      if (it->first_sequence <= sequence) return *it;
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kMax = 4096;
  mutable Mutex mutex_;
  std::deque<format::AggregationReference> all_ GUARDED_BY(mutex_);
};

}  // namespace tlog::session
