// File: tlog/walk/fetch.h
// Fetch: gets the sealed bytes of ONE aggregation from its stores: k shards at once, the data
// shards first, and further ones for each that is missing or wrong. Every shard is verified and
// must agree with the others; nothing is believed because of where it was found.
//
// Threading: replies come on the loop's thread; verifying and decoding run wherever `run` puts
// them. `done` is called exactly once, from any of these threads, unless cancel() came first.
// Errors: kUnavailable when shards that could not be asked for might be enough, kCorruption when
// not.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/shard/shard.h"
#include "tlog/walk/log_place.h"

namespace tlog::walk {

using Run = std::function<void(std::function<void()>)>;

struct Fetched {
  shard::Identity identity;
  std::uint64_t sealed_length = 0;
  std::vector<Buffer> values;  // what the pieces point into
  shard::Decoded decoded;
  std::uint64_t stored_bytes = 0;
  unsigned shards_bad = 0;
};

// A shard that its store should have, and does not, or not as it should be.
struct BadShard {
  std::size_t store = 0;
  bool wrong = false;  // there, and damaged or another one; otherwise absent
  friend auto operator<=>(const BadShard&, const BadShard&) = default;
};

// What became of the shards that were asked for.
struct FetchCounts {
  unsigned intact = 0;
  unsigned absent = 0;
  unsigned wrong = 0;
  unsigned unreachable = 0;
  std::string why;            // of all that are not intact, for people
  std::vector<BadShard> bad;  // absent and wrong ones
  // Of the unreachable: stores that answered, and cannot say because they were emptied.
  std::vector<std::size_t> emptied;
};

class Fetch : public std::enable_shared_from_this<Fetch> {
 public:
  using Done = std::function<void(Result<Fetched>, FetchCounts)>;

  static std::shared_ptr<Fetch> start(std::shared_ptr<const LogPlace> place, Epoch epoch,
                                      AggregationNumber number, Run run, Done done);

  void hedge();    // somebody waits: asks for all shards that were not asked for, and distrusts the
                   // slow stores
  void give_up();  // what has not answered counts as unreachable
  void cancel();   // `done` is not called any more

 private:
  enum class State { kNotAsked, kAsked, kArrived, kIntact, kAbsent, kWrong, kUnreachable };
  struct Slot {
    State state = State::kNotAsked;
    Buffer value;
    shard::ShardView view;
    std::string why;
    bool emptied = false;
  };

  Fetch(std::shared_ptr<const LogPlace> place, Epoch epoch, AggregationNumber number, Run run,
        Done done);
  void begin();
  void reply(unsigned index, Result<Buffer> value);
  void refused(unsigned index, const Error& error) REQUIRES(mutex_);
  // What to do next; call with the lock held, then act() without it.
  struct Next {
    std::vector<unsigned> ask;
    bool verify = false;
    bool fail = false;
  };
  Next decide(unsigned extra) REQUIRES(mutex_);
  void act(Next next);
  void verify();
  void verify_one(unsigned index, Slot& slot) const;
  std::vector<unsigned> best_group() const REQUIRES(mutex_);
  void finish_decoded(const std::vector<unsigned>& chosen);
  void finish_failed();
  FetchCounts counts() const REQUIRES(mutex_);
  unsigned count(State state) const REQUIRES(mutex_);
  store::Store& store(unsigned index) const { return place_->store_for(number_, index); }
  std::atomic<bool>& poor(unsigned index) const {
    return place_->poor[store_of(number_, index, place_->stores.size())];
  }

  const std::shared_ptr<const LogPlace> place_;
  const Epoch epoch_;
  const AggregationNumber number_;
  const std::string key_;
  const Run run_;

  Mutex mutex_;
  Done done_ GUARDED_BY(mutex_);
  std::vector<Slot> slots_ GUARDED_BY(mutex_);
  std::vector<unsigned> order_ GUARDED_BY(mutex_);  // in which the shards are asked for
  bool verifying_ GUARDED_BY(mutex_) = false;
  bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace tlog::walk
