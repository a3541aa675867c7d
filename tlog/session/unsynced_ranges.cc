#include "tlog/session/unsynced_ranges.h"

#include <algorithm>

namespace tlog::session {

void UnsyncedRanges::insert(Span& span, std::uint64_t begin, std::uint64_t end) {
  auto& bytes = span.bytes;
  auto next = bytes.upper_bound(begin);
  if (next != bytes.begin() && std::prev(next)->second >= begin) {
    --next;
    begin = next->first;
    end = std::max(end, next->second);
    next = bytes.erase(next);
  }
  while (next != bytes.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = bytes.erase(next);
  }
  bytes.emplace_hint(next, begin, end);
  if (bytes.size() > 2 * kRangesMax) coarsen(span);
}

// Down to half, by closing the smallest gaps: seldom, so that it costs little per record.
void UnsyncedRanges::coarsen(Span& span) {
  auto& bytes = span.bytes;
  std::vector<std::uint64_t> gaps;
  for (auto it = bytes.begin(); std::next(it) != bytes.end(); ++it)
    gaps.push_back(std::next(it)->first - it->second);
  const std::size_t to_close = bytes.size() - kRangesMax;
  std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(to_close - 1),
                   gaps.end());
  const std::uint64_t widest = gaps[to_close - 1];
  for (auto it = bytes.begin(); std::next(it) != bytes.end();) {
    const auto next = std::next(it);
    if (next->first - it->second > widest) {
      ++it;
      continue;
    }
    it->second = next->second;
    bytes.erase(next);
  }
}

void UnsyncedRanges::add(Sequence sequence, TimestampNs timestamp, std::uint64_t offset,
                         std::uint64_t length) {
  const bool goes_on = !spans_.empty() && spans_.back().last + 1 == sequence &&
                       sequence - spans_.back().first < kRecordsPerSpan;
  if (!goes_on) {
    if (spans_.size() >= kSpansMax) join_neighbours();
    spans_.push_back({.first = sequence,
                      .last = sequence,
                      .first_timestamp = timestamp,
                      .last_timestamp = timestamp,
                      .bytes = {}});
  }
  Span& span = spans_.back();
  span.last = sequence;
  span.last_timestamp = timestamp;
  if (length > 0) insert(span, offset, offset + length);
}

// Each second one with the one before it.
void UnsyncedRanges::join_neighbours() {
  std::deque<Span> joined;
  for (std::size_t i = 0; i < spans_.size(); ++i) {
    if (i % 2 == 0 || joined.back().last + 1 != spans_[i].first) {
      joined.push_back(std::move(spans_[i]));
      continue;
    }
    Span& into = joined.back();
    into.last = spans_[i].last;
    into.last_timestamp = spans_[i].last_timestamp;
    for (const auto& [begin, end] : spans_[i].bytes) insert(into, begin, end);
  }
  spans_ = std::move(joined);
}

// Of a span that is forgotten in part the bytes stay: too many rather than too few.
void UnsyncedRanges::forget(Sequence upto) {
  while (!spans_.empty() && spans_.front().last <= upto) spans_.pop_front();
  if (!spans_.empty()) spans_.front().first = std::max(spans_.front().first, upto + 1);
}

std::vector<LostRange> UnsyncedRanges::between(Sequence first, Sequence last) const {
  std::vector<LostRange> lost;
  auto unknown = [&](Sequence from, Sequence to) {
    lost.push_back(
        {.first_sequence = from, .last_sequence = to, .bytes = {}, .bytes_known = false});
  };
  Sequence next = first;
  for (const Span& span : spans_) {
    if (span.last < next || span.first > last) continue;
    if (span.first > next) unknown(next, span.first - 1);
    LostRange range{.first_sequence = std::max(next, span.first),
                    .last_sequence = std::min(last, span.last),
                    .first_timestamp = span.first_timestamp,
                    .last_timestamp = span.last_timestamp,
                    .bytes = {}};
    for (const auto& [begin, end] : span.bytes) range.bytes.emplace_back(begin, end - begin);
    next = range.last_sequence + 1;
    lost.push_back(std::move(range));
  }
  if (next <= last) unknown(next, last);
  return lost;
}

}  // namespace tlog::session
