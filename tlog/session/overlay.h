// File: tlog/session/overlay.h
// Overlay: which bytes of the vdisk are logged but not yet in block storage, and where in the
// journal they are. Reads look here first. Also used by a batch of applying, to find the newest
// bytes of each range.
//
// An ordered map of extents that do not overlap (a B-tree); the newest insertion wins. One extent
// may cover a whole disk. Threading: none of its own; the vdisk's lock guards it.
#pragma once

#include <memory>
#include <vector>

#include "tlog/base/types.h"
#include "tlog/journal/layout.h"

namespace tlog::session {

class Overlay {
 public:
  enum class Kind : std::uint8_t { kNone, kData, kZero, kHole };

  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    Kind kind = Kind::kNone;         // kNone: not in the overlay
    journal::Position position = 0;  // kData: where the bytes at `offset` are
    std::uint64_t end() const { return offset + length; }
  };

  Overlay();
  ~Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  // The range is from now on `kind`, with the bytes from `position` on; `sequence` must not be
  // smaller than any before.
  void insert(std::uint64_t offset, std::uint64_t length, Kind kind, journal::Position position,
              Sequence sequence);
  // Appends pieces that cover [offset, offset + length) in order, gaps as kNone.
  void lookup(std::uint64_t offset, std::uint64_t length, std::vector<Piece>& pieces) const;
  // Forgets what is not newer than `sequence` in the range: it has been applied.
  void remove_applied(std::uint64_t offset, std::uint64_t length, Sequence sequence);
  // All extents in order, without gaps in between.
  std::vector<Piece> all() const;
  std::size_t extents() const;

 private:
  struct Map;
  void cut_out(std::uint64_t begin, std::uint64_t end);
  const std::unique_ptr<Map> map_;
};

}  // namespace tlog::session
