#include "tlog/store/segment_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/crc32c.h"
#include "tlog/store/segment_scan.h"

namespace tlog::store {
namespace {

constexpr std::size_t kOpenFilesMax = 16;

bool may_hold(const SegmentFooter& footer, std::string_view key) {
  return std::any_of(footer.ranges.begin(), footer.ranges.end(), [&](const KeyRange& range) {
    return range.first <= key && key <= range.last;
  });
}

}  // namespace

Result<std::shared_ptr<io::File>> SegmentReader::file_of(const Segment& segment) {
  auto found = std::find_if(open_files_.begin(), open_files_.end(),
                            [&](const OpenFile& open) { return open.segment == segment.number(); });
  if (found == open_files_.end()) {
    auto file = parts_.files->open(segment.path(), {});
    // Never kNotFound: that would say that the key was not stored.
    if (!file && file.error().code() == Code::kNotFound) {
      return fail(
          Code::kCorruption,
          fmt::format(
              "read: {}: the segment is missing; put it back, or let the other stores rebuild "
              "this one",
              segment.path()));
    }
    if (!file) return fail(file.error());
    if (open_files_.size() >= kOpenFilesMax) open_files_.pop_back();
    open_files_.push_front({segment.number(), std::move(*file)});
  } else if (found != open_files_.begin()) {
    OpenFile open = std::move(*found);
    open_files_.erase(found);
    open_files_.push_front(std::move(open));
  }
  return open_files_.front().file;
}

void SegmentReader::forget(std::uint64_t segment) {
  indexes_.forget(segment);
  std::erase_if(open_files_, [&](const OpenFile& open) { return open.segment == segment; });
}

Result<std::shared_ptr<const SegmentIndex>> SegmentReader::load_index(Segment& segment,
                                                                      const SegmentFooter& footer) {
  TLOG_ASSIGN(auto file, file_of(segment));
  Buffer bytes(footer.index_bytes);
  TLOG_ASSIGN(std::size_t got, file->read(footer.index_offset, bytes.span()));
  bytes.reset_size(got);
  auto index = SegmentIndex::decode(std::move(bytes), footer, segment.path());
  if (index) return index;
  return rebuild_index(segment, footer);
}

Result<std::shared_ptr<const SegmentIndex>> SegmentReader::rebuild_index(
    Segment& segment, const SegmentFooter& footer) {
  TLOG_ASSIGN(auto file, file_of(segment));
  SegmentScan scan;
  scan.salt = segment.header().salt;
  TLOG_TRY(scan_segment(*file, {.known_end = footer.data_end}, scan));
  EntryMap entries;
  for (ScannedEntry& entry : scan.entries)
    entries.insert_or_assign(std::move(entry.key), entry.location);
  parts_.logger->error(
      fmt::format("event=segment_index_damaged store=\"{}\" path={} entries_found={} entries={}",
                  parts_.name, segment.path(), entries.size(), footer.entries));
  if (entries.size() != footer.entries && parts_.catalog->damage().empty()) {
    parts_.catalog->set_damage(segment.path() + " has a damaged index and damaged entries");
  }
  SegmentFooter rebuilt = footer;
  Buffer bytes = SegmentIndex::encode(entries);
  rebuilt.entries = static_cast<std::uint32_t>(entries.size());
  rebuilt.index_bytes = bytes.size();
  rebuilt.index_crc = crc32c(bytes.span());
  return SegmentIndex::decode(std::move(bytes), rebuilt, segment.path());
}

Result<std::shared_ptr<const SegmentIndex>> SegmentReader::index_of(Segment& segment,
                                                                    const SegmentFooter& footer) {
  return indexes_.get(segment.number(), [&] { return load_index(segment, footer); });
}

Result<std::optional<EntryLocation>> SegmentReader::find_in(Segment& segment,
                                                            const std::string& key) {
  auto footer = segment.footer();
  if (!footer) return segment.find(key);
  if (!may_hold(*footer, key)) return std::optional<EntryLocation>();
  TLOG_ASSIGN(auto index, index_of(segment, *footer));
  return index->find(key);
}

Result<SegmentReader::Found> SegmentReader::find(std::string_view operation,
                                                 const std::string& key) {
  auto list = parts_.catalog->list();
  for (auto segment = list->rbegin(); segment != list->rend(); ++segment) {
    TLOG_ASSIGN(std::optional<EntryLocation> location, find_in(**segment, key));
    if (!location) continue;
    if (location->kind == EntryKind::kPut) return Found{*segment, *location};
    return fail(Code::kNotFound,
                fmt::format("{}: {}: {}: it has been removed", operation, parts_.name, key));
  }
  std::string damage = parts_.catalog->damage();
  if (damage.empty()) {
    return fail(Code::kNotFound,
                fmt::format("{}: {}: {}: not stored here", operation, parts_.name, key));
  }
  return fail(Code::kCorruption,
              fmt::format("{}: {}: {}: not found, but it may be in what is lost ({}); let the "
                          "other stores rebuild this one",
                          operation, parts_.name, key, damage));
}

Result<Buffer> SegmentReader::read_value(const Found& found, const std::string& key) {
  TLOG_ASSIGN(auto file, file_of(*found.segment));
  Buffer value(found.location.value_length);
  TLOG_ASSIGN(std::size_t got, file->read(value_offset(found.location, key), value.span()));
  if (got == value.size() &&
      crc32c(value.span(), crc32c(bytes_of(key))) == found.location.body_crc) {
    return value;
  }
  return fail(
      Code::kCorruption,
      fmt::format(
          "get: {}: {}: the checksum at {} of {} does not match; the value can be rebuilt from "
          "the other stores",
          parts_.name, key, found.location.offset, found.segment->path()));
}

Result<Buffer> SegmentReader::get(const std::string& key) {
  TLOG_ASSIGN(Found found, find("get", key));
  return read_value(found, key);
}

Result<std::uint64_t> SegmentReader::stat(const std::string& key) {
  TLOG_ASSIGN(Found found, find("stat", key));
  return std::uint64_t{found.location.value_length};
}

// Gathers the least `limit` keys that live. A newer segment's word on a key wins, whatever the
// order of taking. Those that may have tombstones are taken first, newest to oldest: so the number
// of living keys never falls, and what is greater than `limit` of them can be forgotten for good.
class SegmentReader::Merge {
 public:
  Merge(const std::string& prefix, const std::string& after, std::size_t limit)
      : prefix_(prefix), after_(after), limit_(limit) {}

  // Where to begin in a sorted set of keys, and whether to go on.
  const std::string& start() const { return after_ < prefix_ ? prefix_ : after_; }
  bool wants(std::string_view key) const {
    if (living_ >= limit_ && key > keys_.rbegin()->first) return false;
    return key < prefix_ || key.starts_with(prefix_);
  }
  bool overlaps(const SegmentFooter& footer) const {
    return std::any_of(footer.ranges.begin(), footer.ranges.end(), [&](const KeyRange& range) {
      return range.last >= start() && wants(std::max(range.first, start()));
    });
  }
  void take(std::string_view key, std::uint64_t segment, EntryKind kind) {
    if (key <= after_ || !key.starts_with(prefix_)) return;
    auto [at, added] = keys_.try_emplace(std::string(key));
    if (!added && at->second.segment > segment) return;
    living_ -= !added && at->second.lives ? 1 : 0;
    at->second = {segment, kind == EntryKind::kPut};
    living_ += at->second.lives ? 1 : 0;
    while (living_ > limit_) {
      living_ -= keys_.rbegin()->second.lives ? 1 : 0;
      keys_.erase(std::prev(keys_.end()));
    }
  }
  std::vector<std::string> result() const {
    std::vector<std::string> keys;
    for (const auto& [key, newest] : keys_) {
      if (newest.lives) keys.push_back(key);
    }
    return keys;
  }

 private:
  struct Newest {
    std::uint64_t segment = 0;
    bool lives = false;
  };

  const std::string& prefix_;
  const std::string& after_;
  const std::size_t limit_;
  std::map<std::string, Newest, std::less<>> keys_;
  std::size_t living_ = 0;
};

Status SegmentReader::take_keys(Segment& segment, const SegmentFooter* footer, Merge& merge) {
  if (footer == nullptr) {
    segment.visit([&](const EntryMap& entries) {
      for (auto at = entries.lower_bound(merge.start());
           at != entries.end() && merge.wants(at->first); ++at) {
        merge.take(at->first, segment.number(), at->second.kind);
      }
    });
    return {};
  }
  TLOG_ASSIGN(auto index, index_of(segment, *footer));
  for (std::size_t i = index->lower_bound(merge.start()); i < index->size(); ++i) {
    if (!merge.wants(index->key(i))) break;
    merge.take(index->key(i), segment.number(), index->location(i).kind);
  }
  return {};
}

Result<std::vector<std::string>> SegmentReader::scan(const std::string& prefix,
                                                     const std::string& after, std::size_t limit) {
  if (limit == 0) return std::vector<std::string>();
  std::string damage = parts_.catalog->damage();
  if (!damage.empty()) {
    parts_.logger->warning(
        fmt::format("event=scan_of_damaged_store store=\"{}\" lost=\"{}\"", parts_.name, damage));
  }
  Merge merge(prefix, after, limit);
  auto list = parts_.catalog->list();
  std::vector<std::shared_ptr<const SegmentFooter>> footers(list->size());
  auto take = [&](std::size_t i) -> Status {
    if (footers[i] && !merge.overlaps(*footers[i])) return {};
    return take_keys(*(*list)[i], footers[i].get(), merge);
  };
  for (std::size_t i = list->size(); i-- > 0;) {
    footers[i] = (*list)[i]->footer();
    if (!footers[i] || footers[i]->removes > 0) TLOG_TRY(take(i));
  }
  // Keys ascend over time: the oldest first, so that the bound soon excludes the others.
  for (std::size_t i = 0; i < list->size(); ++i) {
    if (footers[i] && footers[i]->removes == 0) TLOG_TRY(take(i));
  }
  return merge.result();
}

}  // namespace tlog::store
