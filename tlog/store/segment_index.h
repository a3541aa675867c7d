// File: tlog/store/segment_index.h
// The sorted index of a sealed segment, as it is on disk and searched in memory, and the cache of
// the few that are in use: the memory of a store does not grow with its log.
//
// Threading: an index is immutable; the cache belongs to one thread.
// Errors: kCorruption for bytes that are not such an index.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <unordered_map>

#include "tlog/store/segment_format.h"

namespace tlog::store {

class SegmentIndex {
 public:
  static Buffer encode(const EntryMap& entries);
  // Checks the checksum, the order of the keys and that every entry lies before `data_end`.
  static Result<std::shared_ptr<const SegmentIndex>> decode(Buffer bytes,
                                                            const SegmentFooter& footer,
                                                            std::string_view path);

  std::size_t size() const { return starts_.size(); }
  std::string_view key(std::size_t position) const;
  EntryLocation location(std::size_t position) const;
  std::size_t lower_bound(std::string_view key) const;  // the first position whose key is not less
  std::optional<EntryLocation> find(std::string_view key) const;
  std::size_t memory_bytes() const {
    return bytes_.capacity() + starts_.capacity() * sizeof(std::uint32_t);
  }

 private:
  Buffer bytes_;
  std::vector<std::uint32_t> starts_;
};

// Least recently used first out. The newest is always kept, however large.
class IndexCache {
 public:
  using Load = std::function<Result<std::shared_ptr<const SegmentIndex>>()>;

  explicit IndexCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  Result<std::shared_ptr<const SegmentIndex>> get(std::uint64_t segment, const Load& load);
  void forget(std::uint64_t segment);
  std::size_t bytes() const { return bytes_; }
  std::uint64_t loads() const { return loads_; }

 private:
  struct Item {
    std::uint64_t segment;
    std::shared_ptr<const SegmentIndex> index;
  };
  void drop(std::list<Item>::iterator item);

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::uint64_t loads_ = 0;
  std::list<Item> items_;  // the most recently used in front
  std::unordered_map<std::uint64_t, std::list<Item>::iterator> positions_;
};

}  // namespace tlog::store
