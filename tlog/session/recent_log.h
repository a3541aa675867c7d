// File: tlog/session/recent_log.h
// RecentLog: the newest committed aggregations as their writer knows them, without asking a store:
// the log's side of a comparison with what follows it. Threading: any thread.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/format/metadata.h"
#include "tlog/session/standby.h"

namespace tlog::session {

// Where a cluster is that has all of this aggregation and nothing behind it.
inline SyncPosition position_of(const format::AggregationReference& reference) {
  return {.epoch = reference.epoch,
          .sequence = reference.last_sequence,
          .number = reference.number,
          .hash = reference.hash};
}

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
  std::optional<format::AggregationReference> oldest() const {
    MutexLock lock(mutex_);
    if (all_.empty()) return std::nullopt;
    return all_.front();
  }
  // All behind the sequence, the one that holds it included, ascending; none when they do not reach
  // back so far.
  std::vector<format::AggregationReference> behind(Sequence sequence) const {
    std::vector<format::AggregationReference> found;
    MutexLock lock(mutex_);
    auto it = all_.end();
    while (it != all_.begin() && std::prev(it)->last_sequence > sequence) --it;
    if (it == all_.end() || it->first_sequence > sequence + 1) return found;
    found.assign(it, all_.end());
    return found;
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
