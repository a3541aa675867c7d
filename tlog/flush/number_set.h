// File: tlog/flush/number_set.h
// NumberSet: aggregation numbers as runs. What a store misses after an outage is one run, however
// long it was. Threading: a value.
#pragma once

#include <iterator>
#include <map>
#include <optional>

#include "tlog/base/types.h"

namespace tlog::flush {

class NumberSet {
 public:
  void insert(AggregationNumber number) { insert_run(number, number); }
  void insert_run(AggregationNumber first, AggregationNumber last) {
    if (first > last) return;
    auto run = runs_.upper_bound(first);
    if (run != runs_.begin() && std::prev(run)->second + 1 >= first) --run;
    while (run != runs_.end() && run->first <= last + 1) {
      first = std::min(first, run->first);
      last = std::max(last, run->second);
      count_ -= run->second - run->first + 1;
      run = runs_.erase(run);
    }
    runs_.emplace(first, last);
    count_ += last - first + 1;
  }
  void erase(AggregationNumber number) {
    auto run = runs_.upper_bound(number);
    if (run == runs_.begin() || (--run)->second < number) return;
    const auto [first, last] = *run;
    runs_.erase(run);
    if (first < number) runs_.emplace(first, number - 1);
    if (number < last) runs_.emplace(number + 1, last);
    --count_;
  }
  // The smallest number at or after `from`.
  std::optional<AggregationNumber> next(AggregationNumber from) const {
    auto run = runs_.upper_bound(from);
    if (run != runs_.begin() && std::prev(run)->second >= from) return from;
    if (run == runs_.end()) return std::nullopt;
    return run->first;
  }
  bool contains(AggregationNumber number) const { return next(number) == number; }
  // The greatest number at or before `from` that is not in the set; 0 when all are.
  AggregationNumber gap_before(AggregationNumber from) const {
    auto run = runs_.upper_bound(from);
    if (run == runs_.begin() || (--run)->second < from) return from;
    return run->first - 1;
  }
  bool empty() const { return runs_.empty(); }
  std::uint64_t count() const { return count_; }
  const std::map<AggregationNumber, AggregationNumber>& runs() const {
    return runs_;
  }  // first -> last

 private:
  std::map<AggregationNumber, AggregationNumber> runs_;
  std::uint64_t count_ = 0;
};

}  // namespace tlog::flush
