#include "tlog/session/overlay.h"

#include <absl/container/btree_map.h>

#include <algorithm>

#include "tlog/base/assert.h"

namespace tlog::session {

struct Overlay::Map {
  struct Extent {
    std::uint64_t end;
    journal::Position position;
    Sequence sequence;
    Kind kind;

    // The part of it that begins at `offset`, `skipped` bytes after its start.
    Extent from(std::uint64_t skipped) const {
      Extent rest = *this;
      if (kind == Kind::kData) rest.position += skipped;
      return rest;
    }
  };

  absl::btree_map<std::uint64_t, Extent> extents;  // by start

  // The first extent that ends after `offset`.
  auto first_after(std::uint64_t offset) {
    auto it = extents.upper_bound(offset);
    if (it != extents.begin()) {
      auto before = std::prev(it);
      if (before->second.end > offset) return before;
    }
    return it;
  }
};

Overlay::Overlay() : map_(std::make_unique<Map>()) {}
Overlay::~Overlay() = default;

void Overlay::insert(std::uint64_t offset, std::uint64_t length, Kind kind,
                     journal::Position position, Sequence sequence) {
  TLOG_ASSERT(length > 0);
  Map::Extent extent{offset + length, position, sequence, kind};
  auto it = map_->extents.lower_bound(offset);
  // The common case of a rewritten block: the same range, in place.
  if (it != map_->extents.end() && it->first == offset && it->second.end == extent.end) {
    it->second = extent;
    return;
  }
  cut_out(offset, offset + length);
  map_->extents.emplace(offset, extent);
}

void Overlay::cut_out(std::uint64_t begin, std::uint64_t end) {
  auto& extents = map_->extents;
  auto it = map_->first_after(begin);
  while (it != extents.end() && it->first < end) {
    std::uint64_t start = it->first;
    Map::Extent extent = it->second;
    if (start < begin) {
      it->second.end = begin;
      ++it;
    } else {
      it = extents.erase(it);
    }
    if (extent.end > end) {
      extents.emplace(end, extent.from(end - start));
      return;
    }
  }
}

void Overlay::lookup(std::uint64_t offset, std::uint64_t length, std::vector<Piece>& pieces) const {
  const std::uint64_t end = offset + length;
  std::uint64_t at = offset;
  for (auto it = map_->first_after(offset); it != map_->extents.end() && it->first < end; ++it) {
    std::uint64_t start = std::max(it->first, offset);
    if (start > at) pieces.push_back({at, start - at, Kind::kNone, 0});
    std::uint64_t stop = std::min(it->second.end, end);
    pieces.push_back(
        {start, stop - start, it->second.kind, it->second.from(start - it->first).position});
    at = stop;
  }
  if (at < end) pieces.push_back({at, end - at, Kind::kNone, 0});
}

void Overlay::remove_applied(std::uint64_t offset, std::uint64_t length, Sequence sequence) {
  const std::uint64_t end = offset + length;
  auto& extents = map_->extents;
  auto it = map_->first_after(offset);
  while (it != extents.end() && it->first < end) {
    if (it->second.sequence > sequence) {
      ++it;
      continue;
    }
    std::uint64_t start = it->first;
    Map::Extent extent = it->second;
    if (start >= offset && extent.end <= end) {
      it = extents.erase(it);
      continue;
    }
    // It sticks out: cut the range out of it, and go on behind.
    cut_out(std::max(start, offset), std::min(extent.end, end));
    it = map_->first_after(std::min(extent.end, end));
  }
}

std::vector<Overlay::Piece> Overlay::all() const {
  std::vector<Piece> pieces;
  pieces.reserve(map_->extents.size());
  for (const auto& [start, extent] : map_->extents) {
    pieces.push_back({start, extent.end - start, extent.kind, extent.position});
  }
  return pieces;
}

std::size_t Overlay::extents() const {
  return map_->extents.size();
}

}  // namespace tlog::session
