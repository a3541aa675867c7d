// File: tlog/journal/journal.h
// Journal: the host's own copy of what was written, steps 1 and 2 of a write's way. A stream of
// records over recycled, prewritten segment files, with its newest part in the arena: memory that
// outlives the process.
//
//   tail                          durable                         head
//    |--- files only ---|--- files + arena ---|--- arena only ---|      (arena: the last bytes
//    before head)
//
// append() copies a record into the arena. The Committer (committer.h) writes the arena's new bytes
// to the segment files and syncs them. release() gives space back when records are stored and
// applied.
//
// Threading: mutex() is the ONE lock of a vdisk; it guards the append state here and the overlay
// and record table in tlog/session, so that sequence order, visible order and replay order are one.
// REQUIRES(mutex_) marks what wants it. Durability: when append() has returned, the record survives
// the death of the process; when a batch that holds it is durable, also power loss. Errors: open()
// refuses a journal of another vdisk, of a newer format, and one in use (flock: ends with the
// process).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tlog/base/log.h"
#include "tlog/base/mutex.h"
#include "tlog/base/random.h"
#include "tlog/io/file.h"
#include "tlog/journal/layout.h"

namespace tlog::journal {

struct JournalOptions {
  std::string directory;  // of this vdisk's journal
  std::string arena_directory;
  std::uint64_t size = kGiB;
  std::uint64_t arena_size = 64 * kMiB;
  // create(): what it is for. open(): size, block size, k, m and name must match; uuid too unless
  // it is nil.
  format::VdiskFormat format;
  // create(): of the first record, behind what a log has already.
  Sequence first_sequence = 1;
  TimestampNs first_timestamp = 0;  // no record has an earlier one
};

// One record of the stream. The session's record table is made of these.
struct Entry {
  Position position = 0;  // of the header
  TimestampNs timestamp = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint32_t data_length = 0;
  std::uint32_t data_crc = 0;
  Operation operation = Operation::kWrite;

  Position data_position() const { return position + kRecordHeaderBytes; }
  Position end() const { return data_position() + round_up(data_length, kRecordAlignment); }
};

struct Recovered {
  Sequence first_sequence = 1;  // of entries[0], or of the next record when there is none
  std::vector<Entry> entries;
  TimestampNs last_timestamp = 0;
  std::uint64_t from_arena =
      0;  // records that only the arena had: the process died, the machine did not
};

class Journal {
 public:
  // Whether `directory` holds a journal, without locking it.
  static Result<bool> exists(const std::string& directory, io::FileSystem& files);
  // A new journal, locked: zero-filled segments, created == false. Replaces one whose creation was
  // interrupted, and removes its arena.
  static Result<std::unique_ptr<Journal>> create(const JournalOptions& options,
                                                 io::FileSystem& files, Random& random,
                                                 Logger& logger);
  // Locks and checks it. recover() must follow before anything is appended.
  static Result<std::unique_ptr<Journal>> open(const JournalOptions& options, io::FileSystem& files,
                                               Logger& logger);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Finds every record from the tail on, in the files and behind them in the arena, makes all of it
  // durable, and starts a new incarnation.
  Result<Recovered> recover();
  Status mark_created();
  const Superblock& superblock() const {
    return superblock_;
  }  // of open(); the tail moves with release()

  Mutex& mutex() TLOG_ANNOTATE(lock_returned(mutex_)) { return mutex_; }

  // Hard limits: neither journal space that is not released nor arena bytes still needed would be
  // overwritten.
  bool has_room(std::uint32_t data_length) const REQUIRES(mutex_);
  // A softer wish: after such a record the arena still holds everything from `keep_from` on.
  bool keeps_arena_from(Position keep_from, std::uint32_t data_length) const REQUIRES(mutex_);
  // REQUIRES has_room(). `data_crc` was computed by the caller, outside of the lock.
  Entry append(Operation operation, std::uint64_t offset, std::uint64_t size, ConstByteSpan data,
               std::uint32_t data_crc, TimestampNs timestamp) REQUIRES(mutex_);

  Sequence next_sequence() const REQUIRES(mutex_) { return next_sequence_; }
  Position head() const REQUIRES(mutex_) { return head_; }
  Position tail() const REQUIRES(mutex_) { return tail_; }
  Position durable() const REQUIRES(mutex_) { return durable_; }
  std::uint64_t bytes_total() const { return capacity_; }
  std::uint64_t arena_bytes() const { return arena_->size(); }

  // The bytes at `position` in memory, or null when only the files have them (any more).
  const std::byte* in_arena(Position position) const REQUIRES(mutex_);
  // While pinned, bytes from `position` on are not overwritten in the arena.
  void pin(Position position) REQUIRES(mutex_) { pins_.insert(position); }
  void unpin(Position position) REQUIRES(mutex_) { pins_.erase(pins_.find(position)); }
  // Reads durable stream bytes from the segment files, any thread. They must not be released
  // meanwhile, or the caller checks afterwards that tail() has not passed `position`.
  Status read_back(Position position, ByteSpan into) const;

  // Everything before `position`, where the record `sequence` begins, is stored and applied: may be
  // overwritten from when this has returned success. Blocks on the disk: for a worker thread, one
  // at a time.
  struct Release {
    Position position = 0;
    Sequence sequence = 0;
    TimestampNs timestamp = 0;
    bool clean = false;
  };
  Status release(const Release& release) EXCLUDES(mutex_);

  // --- for the Committer ---
  struct Batch {
    Position begin = 0;
    Position end = 0;            // begin == end: nothing new
    Sequence last_sequence = 0;  // of the records in it
  };
  struct Part {  // of a batch, in one segment file
    io::File* file = nullptr;
    std::uint64_t file_offset = 0;
    ConstByteSpan bytes;
  };
  // What is new since the last durable batch, its end padded to a block. One batch at a time.
  Batch cut_batch() REQUIRES(mutex_);
  std::vector<Part> parts_of(const Batch& batch) const;
  void batch_durable(const Batch& batch) REQUIRES(mutex_) { durable_ = batch.end; }

 private:
  struct Scan;

  Journal(JournalOptions options, io::FileSystem& files, Logger& logger);
  Status lock_directory();
  Status read_superblock();
  Status check_format() const;
  Status write_superblock(Superblock& next);
  Status make_segments();
  Status open_segments();
  std::string arena_path() const;
  void remove_arena();  // what cannot be removed is told, and takes memory
  Status map_arena();
  Status scan_files(Scan& scan);
  void scan_arena(Scan& scan);
  Status check_nothing_durable_is_missing(const Scan& scan);
  Status settle(const Scan& scan);
  void pad_to(Position end) REQUIRES(mutex_);
  std::uint32_t durable_distance() const REQUIRES(mutex_);
  std::uint64_t bytes_needed(std::uint32_t data_length) const REQUIRES(mutex_);
  std::byte* arena_at(Position position) const {
    return arena_->data() + position % arena_->size();
  }
  std::string segment_path(std::uint32_t index) const;
  io::File& segment_of(Position position) const {
    return *segments_[position / segment_bytes_ % segments_.size()];
  }

  const JournalOptions options_;
  io::FileSystem& files_;
  Logger& logger_;
  Superblock superblock_;  // after recover() only release() and mark_created() touch it: what
                           // others need is below
  std::uint32_t seed_ = 0;
  std::uint64_t segment_bytes_ = 0;
  std::uint64_t capacity_ = 0;
  std::uint32_t incarnation_ = 0;  // of this life; set by recover()
  Position incarnation_begin_ =
      0;  // everything from here on was written in this life; set by recover()
  std::unique_ptr<io::File> lock_;
  std::unique_ptr<io::File> superblock_file_;
  std::vector<std::unique_ptr<io::File>> segments_;
  std::unique_ptr<io::RingMapping> arena_;

  mutable Mutex mutex_;
  Position head_ GUARDED_BY(mutex_) = 0;
  Position durable_ GUARDED_BY(mutex_) = 0;  // all before is in the files and synced
  Position tail_ GUARDED_BY(mutex_) = 0;
  Position arena_begin_ GUARDED_BY(mutex_) = 0;  // this life's arena holds nothing before it
  Sequence next_sequence_ GUARDED_BY(mutex_) = 1;
  std::multiset<Position> pins_ GUARDED_BY(mutex_);
};

}  // namespace tlog::journal
