// File: tlog/store/segment_writer.h
// Appends entries to the active segment with group commit: while one batch is written and synced,
// the next gathers.
//
// Threading: submit() and hurry() from any thread; the rest on the loop's thread. What blocks
// (making the next segment, sealing a full one) is done by the worker, ahead of need. Durability:
// an entry is answered, and can be found, only after the sync of its batch. Errors: after a failed
// write or sync nothing more goes to that segment: it is sealed at its last durable entry, its
// batch and what waits fail, and after a back-off the next put begins a new segment. So a full disk
// heals by itself, and what a failed sync may have lost is never counted on.
#pragma once

#include <atomic>
#include <deque>

#include "tlog/base/mutex.h"
#include "tlog/io/loop.h"
#include "tlog/io/workers.h"
#include "tlog/store/segment_folder.h"
#include "tlog/store/segment_reader.h"
#include "tlog/store/store.h"

namespace tlog::store {

// A put or a remove on its way.
class PendingEntry {
 public:
  // Computes the checksum, in the calling thread.
  PendingEntry(EntryKind kind, std::string key, std::vector<ConstByteSpan> pieces, bool urgent,
               PutDone done);

  std::uint64_t bytes() const { return entry_bytes(key_.size(), location_.value_length); }
  std::uint64_t value_bytes() const { return location_.value_length; }
  bool urgent() const { return urgent_; }
  // Completes the header for this place and adds the entry's bytes to `pieces`; they live as long
  // as this.
  void place(EntryHeader header, std::vector<ConstByteSpan>& pieces);
  void apply_to(Segment& segment) { segment.apply(std::move(*placed_key_), location_); }
  void answer(Status status) { done_(std::move(status)); }

 private:
  std::string key_;
  std::vector<ConstByteSpan> pieces_;
  EntryLocation location_;
  bool urgent_;
  PutDone done_;
  // Not an array member: entries move between queues while their bytes are being written.
  std::unique_ptr<std::array<std::byte, kEntryHeaderBytes>> header_;
  std::unique_ptr<std::string> placed_key_;
};

class SegmentWriter {
 public:
  struct Parts {  // borrowed; they outlive close()
    io::FileSystem* files = nullptr;
    io::Loop* loop = nullptr;
    io::Workers* worker = nullptr;  // one thread
    SegmentCatalog* catalog = nullptr;
    SegmentReader* reader = nullptr;  // the worker's
    Logger* logger = nullptr;
    SegmentFolderOptions folder;
    std::uint64_t gather_bytes = 0;
    std::uint64_t gather_ns = 0;
    std::uint64_t retry_min_ns = 0;
    std::uint64_t retry_max_ns = 0;
  };
  SegmentWriter(Parts parts, WriterPosition position);

  void submit(PendingEntry entry);
  void hurry();
  // Writes what waits (or fails it), seals the active segment, then calls `done` on the loop.
  void close(std::function<void()> done);

  std::uint64_t put_bytes() const { return put_bytes_; }
  std::uint64_t queued_bytes() const { return queued_bytes_; }
  std::uint64_t errors() const { return errors_; }
  std::string condition() const;  // "up", or what failed last

 private:
  struct Prepared {
    std::uint64_t number = 0;
    std::string path;
    std::shared_ptr<io::File> file;
  };

  // Tasks and completions on the loop.
  void drain();
  void consider();
  bool due() const;
  void arm_timer();
  void start_batch();
  void write_batch();
  void stage(const std::vector<ConstByteSpan>& pieces);
  void batch_done(Status status);
  void next_prepared(Result<Prepared> prepared);

  void prepare_next();
  Result<Prepared> make_segment_file(std::uint64_t number) const;  // the worker
  void activate_next();
  void keep_ahead();
  bool is_full_for(const PendingEntry& entry) const;
  void retire_active();
  void abandon_active();
  void seal_in_background(std::shared_ptr<Segment> segment, std::shared_ptr<io::File> file);
  void remove_in_background(std::string path, std::shared_ptr<io::File> file);
  void fail_waiting(const Error& error);
  void answer(PendingEntry& entry, const Status& status);
  void set_condition(std::string condition);
  void finish_close();

  const Parts parts_;

  Mutex incoming_mutex_;
  std::vector<PendingEntry> incoming_ GUARDED_BY(incoming_mutex_);
  bool hurry_incoming_ GUARDED_BY(incoming_mutex_) = false;
  bool drain_posted_ GUARDED_BY(incoming_mutex_) = false;

  // The loop's thread only.
  std::deque<PendingEntry> queue_;
  std::uint64_t gathered_bytes_ = 0;  // of the queue
  std::size_t hurried_ = 0;           // so many of the queue's first entries are to be written now
  io::TimerId timer_ = 0;
  std::vector<PendingEntry> batch_;  // being written
  bool in_flight_ = false;
  Buffer header_block_;  // goes with the first batch of a segment
  std::shared_ptr<Segment> active_;
  std::shared_ptr<io::File> file_;
  Buffer staging_;          // what is being written
  Buffer last_block_;       // the bytes before end_ in its block
  Buffer next_last_block_;  // the same once the batch is durable
  bool fresh_ = false;      // the active segment has not been written to successfully
  std::uint64_t end_ = 0;   // everything before it is durable
  std::uint64_t batch_end_ = 0;
  std::uint64_t allocated_ = 0;
  std::size_t active_entries_ = 0;  // an upper bound of its keys
  std::uint64_t sequence_ = 0;      // of the last entry placed
  std::uint64_t durable_sequence_ = 0;
  std::uint64_t next_number_;
  std::uint64_t last_number_;  // the newest segment that is not active any more, and its end
  std::uint64_t last_end_;
  std::optional<Prepared> next_;
  bool preparing_ = false;
  std::optional<Error> failure_;
  std::uint64_t failed_until_ns_ = 0;
  std::uint64_t backoff_ns_ = 0;
  std::function<void()> close_done_;
  bool close_finished_ = false;

  mutable Mutex condition_mutex_;
  std::string condition_ GUARDED_BY(condition_mutex_) = "up";
  std::atomic<std::uint64_t> put_bytes_ = 0;
  std::atomic<std::uint64_t> queued_bytes_ = 0;
  std::atomic<std::uint64_t> errors_ = 0;
};

}  // namespace tlog::store
