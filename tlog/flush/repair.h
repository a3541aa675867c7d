// File: tlog/flush/repair.h
// Repair: brings shards to the stores that miss them when they are not in memory any more: dropped
// because an outage lasted, or left behind by a crash. A shard is re-made from k others of its
// aggregation: the same bytes, because sealed bytes are deterministic once k shards of them exist.
// What was kept on the disk is put from there, which needs no other store.
// Shards of which nothing is known are looked up first.
//
// Threading: the loop's thread only; re-making runs where `run` puts it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "tlog/base/log.h"
#include "tlog/flush/backoff.h"
#include "tlog/flush/hinted_shards.h"
#include "tlog/flush/lanes.h"
#include "tlog/flush/number_set.h"
#include "tlog/walk/fetch.h"

namespace tlog::flush {

class Repair : public std::enable_shared_from_this<Repair> {
 public:
  struct Parts {
    std::shared_ptr<const walk::LogPlace> place;
    std::shared_ptr<const walk::LogPlace> read_place;  // the same, completed by what is hinted
    std::shared_ptr<HintedShards> hinted;              // or null
    std::function<Epoch(AggregationNumber)> epoch_of;
    std::shared_ptr<Lanes> lanes;
    io::Loop* loop = nullptr;
    Random* random = nullptr;
    Logger* logger = nullptr;
    walk::Run run;
    std::function<void()> changed;  // missing() has
    // Optional: a store has a shard again; `replaced`: whatever it had there before.
    std::function<void(std::size_t store, AggregationNumber, bool replaced)> came_back;
  };
  explicit Repair(Parts parts);

  void add_missing(std::size_t store, AggregationNumber number);
  void add_missing(std::size_t store, const NumberSet& numbers);
  // It is there and damaged: made anew and put over it.
  void add_wrong(std::size_t store, AggregationNumber number) { add_wrong(store, number, number); }
  void add_wrong(std::size_t store, AggregationNumber first, AggregationNumber last);
  void add_doubtful(AggregationNumber first, AggregationNumber last);  // on all stores
  void add_doubtful(std::size_t store, AggregationNumber first, AggregationNumber last);
  void go_on();  // a store works again, or there is something new
  void stop();

  std::uint64_t missing() const;  // known to be missing or wrong
  bool lacks(std::size_t store, AggregationNumber number) const {
    return missing_[store].contains(number);
  }
  std::uint64_t doubtful() const;  // to be looked up
  bool has_nothing_for(std::size_t store) const {
    return missing_[store].empty() && doubtful_[store].empty() && wrong_[store].empty();
  }
  // Shards of this store that are to be looked up or made anew.
  std::uint64_t left(std::size_t store) const {
    return missing_[store].count() + doubtful_[store].count() + wrong_[store].count();
  }
  void collect(std::size_t store, NumberSet& into) const;  // missing or doubtful
  // There is nothing to do for any store up to it; at most `from`.
  AggregationNumber settled(AggregationNumber from) const;
  const NumberSet& wrong(std::size_t store) const { return wrong_[store]; }

 private:
  struct Job {
    std::size_t store = 0;
    AggregationNumber number = 0;
    unsigned index = 0;
    bool overwrite = false;
    friend auto operator<=>(const Job&, const Job&) = default;
  };
  void begin_soon();
  void begin_jobs();
  bool start_one(std::size_t store);
  void look_up(const Job& job);
  void remake(const Job& job);
  void add_bad(const Job& job, const std::vector<walk::BadShard>& shards);
  bool put_hinted(const Job& job);
  void put(const Job& job, std::vector<ConstByteSpan> pieces, std::shared_ptr<const void> owner);
  HintedShards::Name name_of(const Job& job) const;
  void finish(const Job& job, bool stored);
  void rest();
  store::Store& store_of(const Job& job) const { return *parts_.place->stores[job.store]; }
  std::string key(AggregationNumber number) const;

  const Parts parts_;
  std::vector<NumberSet> missing_;
  std::vector<NumberSet> doubtful_;
  std::vector<NumberSet> wrong_;
  std::vector<AggregationNumber>
      cursor_;  // per store: so that one that cannot be re-made does not block the others
  std::set<Job> under_way_;
  std::size_t turn_ = 0;
  Backoff backoff_;
  io::TimerId timer_ = 0;
  bool stopped_ = false;
  bool going_ = false;
  bool begins_soon_ = false;
};

}  // namespace tlog::flush
