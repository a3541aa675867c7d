// FollowedStore: the log that a LogIndex tells (gateways/cas/log_index.h) as the one store of a log
// that is cut 1+0, for the log reader. Changes nothing.
//
// Threading: any thread; contents are asked for by `workers`, answers come on the loop. The index
// is not refreshed while the store is used. Errors: those of LogIndex::content(); kNotFound for
// what the log does not have.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "gateways/cas/log_index.h"
#include "tlog/base/mutex.h"
#include "tlog/format/metadata.h"
#include "tlog/io/workers.h"
#include "tlog/store/store.h"

namespace tlog::player {

// Where the aggregations are in the index: aggregation n is pieces [n - 1] to before [n].
struct FollowedPlaces {
  std::vector<std::uint32_t> firsts;  // and the end of the last one
  std::size_t newest_opening = 0;
  AggregationNumber count() const { return firsts.empty() ? 0 : firsts.size() - 1; }
};
// kCorruption when the numbers are not dense.
Result<FollowedPlaces> find_places(const cas::LogIndex& index);

// The payload of a frame; `what` for messages.
Result<Buffer> frame_payload(std::string_view frame, const std::string& what);

// Contents that are being asked for. Threading: any.
class InFlight {
 public:
  void begin() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    ++count_;
  }
  void end() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    --count_;
    changed_.notify_all();
  }
  void wait_for_none() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (count_ > 0) changed_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  unsigned count_ GUARDED_BY(mutex_) = 0;
};

// Frames that took long, for who asks again: what is fetched once on a slow link is not fetched in
// vain. Threading: any.
class SlowFrames {
 public:
  std::optional<Buffer> take(AggregationNumber number) EXCLUDES(mutex_);
  void keep(AggregationNumber number, const Buffer& payload) EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::deque<std::pair<AggregationNumber, Buffer>> kept_ GUARDED_BY(mutex_);
};

struct FollowedStoreParts {  // borrowed
  cas::LogIndex* index = nullptr;
  const FollowedPlaces* places = nullptr;
  io::Workers* workers = nullptr;
  io::Loop* loop = nullptr;
  InFlight* in_flight = nullptr;  // index and places stay as they are while anything is
  SlowFrames* slow = nullptr;
  std::string vdisk;
};
// `metadata` may be changed until the store is used.
std::unique_ptr<store::Store> make_followed_store(const FollowedStoreParts& parts,
                                                  std::shared_ptr<const Buffer> metadata);

}  // namespace tlog::player
