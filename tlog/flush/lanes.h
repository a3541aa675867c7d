// File: tlog/flush/lanes.h
// Lanes: what is owed to each store, in the order of numbers, and how the store does. A put that
// fails goes back into its lane; a lane that fails waits with exponential back-off and jitter, then
// tries ONE put before it goes on: nothing spins when stores are gone, and everything resumes by
// itself.
//
// Threading: the loop's thread only.
// Lifetime: an item's bytes live until its put has answered, whatever happens to the writer
// meanwhile.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/flush/backoff.h"
#include "tlog/io/loop.h"
#include "tlog/shard/shard.h"
#include "tlog/store/store.h"

namespace tlog::flush {

// The shards of one aggregation while some of them are not stored.
struct PutItem {
  PutItem(shard::ShardSet shards, std::string store_key, bool somebody_waits)
      : set(std::move(shards)), key(std::move(store_key)), urgent(somebody_waits) {}
  const shard::ShardSet set;
  const std::string key;
  const bool urgent;
  unsigned in_flight = 0;  // puts that point into `set`
};

struct LaneState {
  std::string name;
  bool failing = false;
  std::string reason;  // of the last failure, or why it is held
  std::uint64_t waiting_since_ns =
      0;  // monotonic, of the oldest put that has not answered; 0: none
};

class Lanes : public std::enable_shared_from_this<Lanes> {
 public:
  struct Parts {
    std::string vdisk;
    std::vector<store::Store*> stores;
    Logger* logger = nullptr;
    io::Loop* loop = nullptr;
    const Clock* clock = nullptr;
    Random* random = nullptr;
    std::uint64_t lane_bytes_max = 0;  // in flight per store
    // A put has answered: with success, or with a failure after which it is queued again.
    std::function<void(AggregationNumber, unsigned index, bool stored)> answered;
    std::function<void(std::size_t store)>
        usable;  // a store that failed is to be tried, or works again
  };
  explicit Lanes(Parts parts);

  void enqueue(std::size_t store, AggregationNumber number, unsigned index,
               std::shared_ptr<PutItem> item);
  void forget(std::size_t store, AggregationNumber number);  // a queued one; not one in flight
  void pump();
  void hurry();
  // Nothing is put into this store from here while there is a reason; "" ends it.
  void hold(std::size_t store, std::string reason);
  void stop();  // no store is called any more

  // For who else talks to a store (repair): may it be tried now, and how did it go.
  bool may_try(std::size_t store) const;
  void report(std::size_t store, const Status& status);

  bool failing(std::size_t store) const {
    return lanes_[store].failing || !lanes_[store].held.empty();
  }
  bool idle(std::size_t store) const {
    return lanes_[store].queued.empty() && lanes_[store].in_flight.empty();
  }
  // Numbers that are queued or in flight.
  std::vector<AggregationNumber> owed(std::size_t store) const;
  void describe(std::vector<LaneState>& states)
      const;  // brings `states` up to date; cheap when little changes

 private:
  struct Owed {
    unsigned index = 0;
    std::shared_ptr<PutItem> item;
  };
  struct Lane {
    std::map<AggregationNumber, Owed> queued;
    std::map<AggregationNumber, std::uint64_t> in_flight;  // since when
    std::uint64_t in_flight_bytes = 0;
    bool failing = false;
    bool trial = false;  // failing, and the back-off is over: one attempt
    bool pumping = false;
    std::string held;  // why
    std::string reason;
    Backoff backoff;
    io::TimerId timer = 0;
  };
  void pump(std::size_t store);
  void issue(std::size_t store, AggregationNumber number, Owed owed);
  void put_answered(std::size_t store, AggregationNumber number, const Owed& owed,
                    const Status& status);
  void note_health(std::size_t store, const Status& status);

  const Parts parts_;
  std::vector<Lane> lanes_;
  bool stopped_ = false;
};

}  // namespace tlog::flush
