// File: tlog/flush/scrub.h
// Scrub: goes through the whole log and looks whether every store has its shard of every committed
// aggregation. Light: it is there and as long as the others of its aggregation. Deep: it is read,
// and its checksum, its identity and its agreement with the others are checked. What is missing or
// wrong is handed to Repair when asked for.
//
// It goes at a bounded rate and a few aggregations at a time, so that writes hardly notice; one in
// the background goes at a fraction of its rate while writes are on their way. A store that does
// not answer is counted, not waited for. Aggregations that are committed while it runs are not
// looked at: their puts are still being taken care of.
//
// Threading: the loop's thread only; checking shards runs where `run` puts it.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "tlog/base/clock.h"
#include "tlog/flush/awaited_shards.h"
#include "tlog/flush/byte_rate.h"
#include "tlog/flush/lanes.h"
#include "tlog/flush/scrub_look.h"
#include "tlog/flush/scrub_status.h"
#include "tlog/walk/fetch.h"

namespace tlog::flush {

class Scrub : public std::enable_shared_from_this<Scrub> {
 public:
  // What a background scrub's rate is divided by while there is something to write.
  static constexpr std::uint64_t kYield = 8;

  struct Parts {
    std::shared_ptr<const walk::LogPlace> place;
    std::function<Epoch(AggregationNumber)> epoch_of;
    std::shared_ptr<Lanes> lanes;
    io::Loop* loop = nullptr;
    const Clock* clock = nullptr;
    Logger* logger = nullptr;
    walk::Run run;
    std::function<bool()> writing;  // something is on its way that has not committed
    // A shard that is missing, or there and wrong; only when repair was asked for.
    std::function<void(std::size_t store, AggregationNumber, bool wrong)> found;
    std::function<void()> changed;  // status() has
  };
  explicit Scrub(Parts parts);

  // Up to `last`. kUnavailable while one is running.
  Status start(const ScrubOptions& options, AggregationNumber last);
  Status check_idle() const;
  void end();   // before it has come to its end: at once, and another one may be started
  void stop();  // for good
  // Repair has put a shard back; `replaced`: without looking at what was there.
  void came_back(std::size_t store, AggregationNumber number, bool replaced);
  const ScrubStatus& status() const { return status_; }

 private:
  using LookPtr = std::shared_ptr<ScrubLook>;
  void go_on();
  void begin_one(AggregationNumber number);
  void ask(const LookPtr& look, unsigned index);
  void answered(const LookPtr& look);
  void judged(const LookPtr& look);
  void bad(const ScrubLook& look, unsigned index);
  void note_left();
  void complete();
  bool is_of_this_run(const ScrubLook& look) const {
    return status_.running && look.run == status_.runs;
  }
  std::uint64_t rate() const;
  std::size_t at_once() const;

  const Parts parts_;
  ScrubOptions options_;
  ScrubStatus status_;
  AwaitedShards awaited_;
  ByteRate rate_;
  AggregationNumber next_ = 1;
  std::set<AggregationNumber> under_way_;
  std::uint64_t told_ = 0;  // findings in the log of events
  io::TimerId timer_ = 0;
  bool going_ = false;
  bool stopped_ = false;
};

}  // namespace tlog::flush
