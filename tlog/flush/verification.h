// File: tlog/flush/verification.h
// Verification: which of the shards that a server had confirmed has it lost in a restart? A server
// loses the newest of what it was told, never something in the middle. So it is asked backwards
// from the newest, and a whole batch without a loss is the end, once enough have been asked.
//
// Threading: the loop's thread only. `done` comes once, or never after stop().
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tlog/flush/backoff.h"
#include "tlog/flush/number_set.h"
#include "tlog/walk/log_place.h"

namespace tlog::flush {

class Verification : public std::enable_shared_from_this<Verification> {
 public:
  struct Parts {
    std::shared_ptr<const walk::LogPlace> place;
    std::size_t store = 0;
    std::function<std::string(AggregationNumber)> key;
    NumberSet unconfirmed;         // that it has not confirmed: not asked for
    AggregationNumber newest = 0;  // that it may have confirmed
    io::Loop* loop = nullptr;
    Random* random = nullptr;
    std::function<void(const NumberSet& lost)> done;
  };
  explicit Verification(Parts parts) : parts_(std::move(parts)), below_(parts_.newest) {}

  void start() { next_batch(); }
  void stop();

 private:
  bool keeps(AggregationNumber number) const;
  void next_batch();
  void ask();
  void answered(AggregationNumber number, const Result<std::uint64_t>& length);
  void batch_ended();

  const Parts parts_;
  AggregationNumber below_;  // all above have been asked for
  std::vector<AggregationNumber> batch_;
  std::size_t answers_ = 0;
  bool failed_ = false;
  NumberSet lost_here_;  // of the batch
  NumberSet lost_;
  std::uint64_t asked_ = 0;
  Backoff backoff_;
  io::TimerId timer_ = 0;
  bool stopped_ = false;
};

}  // namespace tlog::flush
