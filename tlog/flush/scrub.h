// File: tlog/flush/scrub.h
// Scrub: goes through the whole log and looks whether every store has its shard of every committed
// aggregation. Light: it is there and as long as the others of its aggregation. Deep: it is read,
// and its checksum, its identity and its agreement with the others are checked. What is missing or
// wrong is handed to Repair when asked for.
//
// It goes at a bounded rate and a few aggregations at a time, so that writes hardly notice; a store
// that does not answer is counted, not waited for. Aggregations that are committed while it runs
// are not looked at: their puts are still being taken care of.
//
// Threading: the loop's thread only; checking shards runs where `run` puts it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tlog/base/clock.h"
#include "tlog/flush/lanes.h"
#include "tlog/flush/scrub_status.h"
#include "tlog/walk/fetch.h"
#include "tlog/walk/shard_check.h"

namespace tlog::flush {

class Scrub : public std::enable_shared_from_this<Scrub> {
 public:
  struct Parts {
    std::shared_ptr<const walk::LogPlace> place;
    std::function<Epoch(AggregationNumber)> epoch_of;
    std::shared_ptr<Lanes> lanes;
    io::Loop* loop = nullptr;
    const Clock* clock = nullptr;
    Logger* logger = nullptr;
    walk::Run run;
    // A shard that is missing, or there and wrong; only when repair was asked for.
    std::function<void(std::size_t store, AggregationNumber, bool wrong)> found;
    std::function<void()> changed;  // status() has
  };
  explicit Scrub(Parts parts) : parts_(std::move(parts)) {}

  // Up to `last`. kUnavailable while one is running.
  Status start(const ScrubOptions& options, AggregationNumber last);
  void stop();
  const ScrubStatus& status() const { return status_; }

 private:
  enum class Verdict { kGood, kMissing, kWrong, kUnreachable };
  struct Shard {
    Verdict verdict = Verdict::kUnreachable;
    std::uint64_t length = 0;
    Buffer value;  // deep, until it has been checked
    shard::Identity identity;
    std::string why;
  };
  struct Look {  // at one aggregation
    AggregationNumber number = 0;
    Epoch epoch = 0;
    std::string key;
    std::vector<Shard> shards;
    std::size_t waiting = 0;
  };
  void go_on();
  void begin_one(AggregationNumber number);
  void ask(const std::shared_ptr<Look>& look, unsigned index);
  void answered(const std::shared_ptr<Look>& look);
  static void check_values(const walk::LogPlace& place, Look& look);
  static void compare(Look& look);
  void judged(const std::shared_ptr<Look>& look);
  void end();
  bool ahead_of_the_rate();

  const Parts parts_;
  ScrubOptions options_;
  ScrubStatus status_;
  AggregationNumber next_ = 1;
  std::set<AggregationNumber> under_way_;
  std::uint64_t began_ns_ = 0;
  io::TimerId timer_ = 0;
  bool going_ = false;
  bool stopped_ = false;
};

}  // namespace tlog::flush
