// File: tlog/store/segment_catalog.h
// The segments of one store, oldest to newest: a sealed one is a footer in memory, the others have
// their entries in a map. The writer adds, the reader searches.
//
// Threading: any thread.
#pragma once

#include <memory>

#include "tlog/base/mutex.h"
#include "tlog/store/segment_format.h"

namespace tlog::store {

class Segment {
 public:
  Segment(SegmentHeader header, std::string path)
      : header_(std::move(header)), path_(std::move(path)) {}

  const SegmentHeader& header() const { return header_; }
  std::uint64_t number() const { return header_.number; }
  const std::string& path() const { return path_; }

  // Nothing while the entries are in memory.
  std::shared_ptr<const SegmentFooter> footer() const {
    MutexLock lock(mutex_);
    return footer_;
  }
  void set_footer(SegmentFooter footer) {
    MutexLock lock(mutex_);
    footer_ = std::make_shared<const SegmentFooter>(std::move(footer));
    entries_.clear();
  }
  void apply(std::string key, const EntryLocation& location) {
    MutexLock lock(mutex_);
    entries_.insert_or_assign(std::move(key), location);
  }
  std::optional<EntryLocation> find(std::string_view key) const {
    MutexLock lock(mutex_);
    auto found = entries_.find(key);
    if (found == entries_.end()) return {};
    return found->second;
  }
  std::size_t entry_count() const {
    MutexLock lock(mutex_);
    return entries_.size();
  }
  // Calls `visit(entries)` with the map, which is not changed meanwhile.
  template <class Visit>
  void visit(Visit visit) const {
    MutexLock lock(mutex_);
    visit(entries_);
  }

 private:
  const SegmentHeader header_;
  const std::string path_;
  mutable Mutex mutex_;
  std::shared_ptr<const SegmentFooter> footer_ GUARDED_BY(mutex_);
  EntryMap entries_ GUARDED_BY(mutex_);
};

class SegmentCatalog {
 public:
  using List = std::vector<std::shared_ptr<Segment>>;

  SegmentCatalog() : list_(std::make_shared<const List>()) {}

  std::shared_ptr<const List> list() const {
    MutexLock lock(mutex_);
    return list_;
  }
  void replace(List list) {
    MutexLock lock(mutex_);
    list_ = std::make_shared<const List>(std::move(list));
  }
  void add(std::shared_ptr<Segment> newest) {
    MutexLock lock(mutex_);
    List list = *list_;
    list.push_back(std::move(newest));
    list_ = std::make_shared<const List>(std::move(list));
  }
  void remove(const Segment& segment) {
    MutexLock lock(mutex_);
    List list = *list_;
    std::erase_if(list, [&](const auto& other) { return other.get() == &segment; });
    list_ = std::make_shared<const List>(std::move(list));
  }

  // Why a key that is not found may have been here all the same; empty when nothing is missing.
  std::string damage() const {
    MutexLock lock(mutex_);
    return damage_;
  }
  void set_damage(std::string damage) {
    MutexLock lock(mutex_);
    damage_ = std::move(damage);
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const List> list_ GUARDED_BY(mutex_);
  std::string damage_ GUARDED_BY(mutex_);
};

}  // namespace tlog::store
