#include "player/batch.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace tlog::player {

namespace {

constexpr std::uint64_t kZeroUnit = 4096;

}  // namespace

void Batch::add_part(std::uint64_t offset, std::uint64_t length, const std::byte* data,
                     ChangeKind kind) {
  auto age = static_cast<std::uint32_t>(parts_.size());
  parts_.push_back({offset, length, data, age, kind});
}

void Batch::add(const format::Record& record) {
  if (record.size == 0) return;
  switch (record.operation) {
    case Operation::kMark:
    case Operation::kFlush:
      return;
    case Operation::kDiscard:
      return add_part(record.offset, record.size, nullptr, ChangeKind::kDiscard);
    case Operation::kZero:
      return add_part(record.offset, record.size, nullptr, ChangeKind::kZero);
    case Operation::kWrite:
      break;
  }
  // Runs of units that are all zeros, and runs that are not.
  const std::byte* data = record.data.data();
  std::uint64_t start = 0;
  std::uint64_t at = 0;
  bool run_is_zero = false;
  while (at < record.size) {
    std::uint64_t unit = std::min(record.size - at, kZeroUnit - (record.offset + at) % kZeroUnit);
    bool zero = unit == kZeroUnit && all_zero({data + at, unit});
    if (at != start && zero != run_is_zero) {
      add_part(record.offset + start, at - start, run_is_zero ? nullptr : data + start,
               run_is_zero ? ChangeKind::kDiscard : ChangeKind::kData);
      start = at;
    }
    run_is_zero = zero;
    at += unit;
  }
  add_part(record.offset + start, at - start, run_is_zero ? nullptr : data + start,
           run_is_zero ? ChangeKind::kDiscard : ChangeKind::kData);
}

bool Batch::sort_and_find_overlaps() {
  std::sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.age < b.age;
  });
  std::uint64_t end = 0;
  for (const Part& part : parts_) {
    if (part.offset < end) return true;
    end = part.end();
  }
  return false;
}

// From the newest to the oldest, each part keeps what no newer one has covered.
void Batch::resolve_overlaps() {
  std::sort(parts_.begin(), parts_.end(),
            [](const Part& a, const Part& b) { return a.age > b.age; });
  std::map<std::uint64_t, std::uint64_t> covered;  // start -> end, disjoint, not touching
  std::vector<Part> visible;
  visible.reserve(parts_.size());
  for (const Part& part : parts_) {
    std::uint64_t start = part.offset;
    std::uint64_t new_start = part.offset;
    std::uint64_t new_end = part.end();
    auto show = [&](std::uint64_t from, std::uint64_t to) {
      if (from >= to) return;
      visible.push_back({from, to - from, part.data ? part.data + (from - part.offset) : nullptr,
                         part.age, part.kind});
    };
    auto next = covered.upper_bound(part.offset);
    if (next != covered.begin() && std::prev(next)->second >= part.offset) --next;
    while (next != covered.end() && next->first <= part.end()) {
      show(start, next->first);
      start = std::max(start, next->second);
      new_start = std::min(new_start, next->first);
      new_end = std::max(new_end, next->second);
      next = covered.erase(next);
    }
    show(start, part.end());
    covered.emplace(new_start, new_end);
  }
  parts_ = std::move(visible);
  std::sort(parts_.begin(), parts_.end(),
            [](const Part& a, const Part& b) { return a.offset < b.offset; });
}

void Batch::join() {
  pieces_.clear();
  pieces_.reserve(parts_.size());  // no growth below: changes point into it
  for (const Part& part : parts_) {
    bool data = part.kind == ChangeKind::kData;
    if (data) pieces_.emplace_back(part.data, part.length);
    if (!changes_.empty() && changes_.back().kind == part.kind &&
        changes_.back().end() == part.offset) {
      Change& last = changes_.back();
      last.length += part.length;
      if (data) last.pieces = {last.pieces.data(), last.pieces.size() + 1};
      continue;
    }
    Change change{part.kind, part.offset, part.length, {}};
    if (data) change.pieces = {&pieces_.back(), 1};
    changes_.push_back(change);
  }
}

std::span<const Change> Batch::changes() {
  changes_.clear();
  if (sort_and_find_overlaps()) resolve_overlaps();
  join();
  return changes_;
}

void Batch::clear() {
  parts_.clear();
  pieces_.clear();
  changes_.clear();
}

}  // namespace tlog::player
