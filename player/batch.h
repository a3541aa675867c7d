// File: player/batch.h
// Turns the records of some aggregations into the fewest changes of a target: the newest bytes of
// every range win, neighbours are joined, the order is ascending and no two changes overlap. So a
// target may do all of them at once. Threading: a value; one thread. Memory: bounded by what the
// caller adds before drain().
#pragma once

#include <span>
#include <vector>

#include "tlog/format/record.h"

namespace tlog::player {

enum class ChangeKind : std::uint8_t {
  kData,
  kDiscard,  // reads as zeros, a hole where the target has them
  kZero,     // reads as zeros
};

struct Change {
  ChangeKind kind = ChangeKind::kData;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::span<const ConstByteSpan> pieces;  // kData: `length` bytes in all

  std::uint64_t end() const { return offset + length; }
};

class Batch {
 public:
  // The record's data must stay where it is until the changes have been used. Records are added
  // oldest first. Marks and flush barriers change nothing. Data that is all zeros becomes a
  // discard, in units of 4 KiB.
  void add(const format::Record& record);
  bool empty() const { return parts_.empty(); }
  std::size_t parts() const { return parts_.size(); }

  // Valid until the next call on the batch.
  std::span<const Change> changes();
  void clear();

 private:
  struct Part {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    const std::byte* data = nullptr;  // null: zeros
    std::uint32_t age = 0;            // larger is newer
    ChangeKind kind = ChangeKind::kData;
    std::uint64_t end() const { return offset + length; }
  };
  void add_part(std::uint64_t offset, std::uint64_t length, const std::byte* data, ChangeKind kind);
  bool sort_and_find_overlaps();
  void resolve_overlaps();
  void join();

  std::vector<Part> parts_;
  std::vector<ConstByteSpan> pieces_;
  std::vector<Change> changes_;
};

}  // namespace tlog::player
