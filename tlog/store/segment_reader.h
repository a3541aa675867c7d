// File: tlog/store/segment_reader.h
// Looks keys up in the segments, newest first, and reads their values. Indexes and open files are
// kept in small caches.
//
// Threading: one thread, which may block. Errors: as store.h says; kCorruption for a value whose
// checksum does not match, and for a key that is not found while something of this store is known
// to be lost.
#pragma once

#include <deque>

#include "tlog/base/log.h"
#include "tlog/io/file.h"
#include "tlog/store/segment_catalog.h"
#include "tlog/store/segment_index.h"

namespace tlog::store {

class SegmentReader {
 public:
  struct Parts {  // borrowed
    io::FileSystem* files = nullptr;
    SegmentCatalog* catalog = nullptr;
    Logger* logger = nullptr;
    std::string name;  // of the store
    std::size_t index_cache_bytes = 0;
  };
  explicit SegmentReader(Parts parts)
      : parts_(std::move(parts)), indexes_(parts_.index_cache_bytes) {}

  Result<Buffer> get(const std::string& key);
  Result<std::uint64_t> stat(const std::string& key);
  Result<std::vector<std::string>> scan(const std::string& prefix, const std::string& after,
                                        std::size_t limit);
  // A segment was sealed, unsealed or removed: what was cached of it may be wrong.
  void forget(std::uint64_t segment);
  const IndexCache& indexes() const { return indexes_; }

 private:
  struct Found {
    std::shared_ptr<Segment> segment;
    EntryLocation location;
  };
  struct OpenFile {
    std::uint64_t segment;
    std::shared_ptr<io::File> file;
  };
  class Merge;

  Result<Found> find(std::string_view operation, const std::string& key);
  Result<std::optional<EntryLocation>> find_in(Segment& segment, const std::string& key);
  Status take_keys(Segment& segment, const SegmentFooter* footer, Merge& merge);
  Result<Buffer> read_value(const Found& found, const std::string& key);
  Result<std::shared_ptr<const SegmentIndex>> index_of(Segment& segment,
                                                       const SegmentFooter& footer);
  Result<std::shared_ptr<const SegmentIndex>> load_index(Segment& segment,
                                                         const SegmentFooter& footer);
  Result<std::shared_ptr<const SegmentIndex>> rebuild_index(Segment& segment,
                                                            const SegmentFooter& footer);
  Result<std::shared_ptr<io::File>> file_of(const Segment& segment);

  const Parts parts_;
  IndexCache indexes_;
  std::deque<OpenFile> open_files_;  // the most recently used in front
};

}  // namespace tlog::store
