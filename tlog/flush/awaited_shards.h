// File: tlog/flush/awaited_shards.h
// AwaitedShards: which shards a scrub has handed to Repair and has not seen come back. As runs of
// numbers, so that a store that has lost everything takes no more room than one shard. Threading: a
// value.
#pragma once

#include <algorithm>
#include <vector>

#include "tlog/flush/number_set.h"

namespace tlog::flush {

class AwaitedShards {
 public:
  explicit AwaitedShards(std::size_t stores) : missing_(stores), wrong_(stores) {}

  // False when it is awaited already.
  bool add(std::size_t store, AggregationNumber number, bool wrong) {
    NumberSet& numbers = wrong ? wrong_[store] : missing_[store];
    if (numbers.contains(number)) return false;
    numbers.insert(number);
    return true;
  }
  // It is there now; `replaced`: whatever was there before. How many findings that ends.
  unsigned came_back(std::size_t store, AggregationNumber number, bool replaced) {
    unsigned ended = take(missing_[store], number) ? 1 : 0;
    if (replaced && take(wrong_[store], number)) ++ended;
    return ended;
  }
  std::uint64_t missing() const { return count(missing_); }
  std::uint64_t wrong() const { return count(wrong_); }
  // Nothing up to it is awaited; at most `from`.
  AggregationNumber settled(AggregationNumber from) const {
    for (const auto* all : {&missing_, &wrong_}) {
      for (const NumberSet& numbers : *all) {
        if (auto first = numbers.next(0)) from = std::min(from, *first - 1);
      }
    }
    return from;
  }

 private:
  static bool take(NumberSet& numbers, AggregationNumber number) {
    const bool was_there = numbers.contains(number);
    if (was_there) numbers.erase(number);
    return was_there;
  }
  static std::uint64_t count(const std::vector<NumberSet>& all) {
    std::uint64_t sum = 0;
    for (const NumberSet& numbers : all) sum += numbers.count();
    return sum;
  }

  std::vector<NumberSet> missing_;
  std::vector<NumberSet> wrong_;
};

}  // namespace tlog::flush
