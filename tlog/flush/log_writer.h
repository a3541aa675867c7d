// File: tlog/flush/log_writer.h
// Stores sealed aggregations: shards to k+m stores in parallel, committed at the write quorum
// (walk/quorum.h); what misses is remembered (in memory, then on the disk, and its number in a
// small hints file in the journal's directory) and retried until it is stored. Writes index pages
// and metadata. Step 6 of a write's way.
//
// Threading: every call from any thread; callbacks on the loop's thread.
// Durability: `done` of append() says the aggregation and all before it are committed.
// Errors: below quorum an append does not fail, it waits and retries with back-off; the writer is
// slowed down by the journal that fills. status() says why it waits.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/random.h"
#include "tlog/flush/scrub_status.h"
#include "tlog/format/metadata.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/shard/shard.h"
#include "tlog/store/store.h"
#include "tlog/walk/fetch.h"
#include "tlog/walk/log_reader.h"

namespace tlog::flush {

class HintedShards;

struct LogWriterStatus {
  AggregationNumber committed = 0;    // all up to here are committed
  std::uint64_t in_flight = 0;        // aggregations not yet committed
  std::uint64_t missing_shards = 0;   // committed, but not yet on all k+m stores
  std::uint64_t doubtful_shards = 0;  // committed; whether their store has them is being looked up
  std::uint64_t buffered_bytes = 0;   // memory held for shards that are not stored yet
  std::uint64_t hinted_bytes = 0;     // of the disk, held for shards that stores have missed
  // Per store: shards that are to be looked up there, or made anew for it.
  std::vector<std::uint64_t> left;
  ScrubStatus scrub;        // that somebody asked for: it runs, or was the last one
  ScrubStatus light_scrub;  // the same of the background's, of each kind
  ScrubStatus deep_scrub;
  std::string fenced;       // empty, or who has taken the vdisk over: see on_fenced
  std::string waiting_for;  // empty, or the reason why the oldest append has not committed
};

class LogWriter {
 public:
  struct Parts {  // borrowed; must outlive the writer
    std::vector<store::Store*> stores;
    const seal::Sealer* sealer = nullptr;
    io::FileSystem* files = nullptr;
    io::Loop* loop = nullptr;
    const Clock* clock = nullptr;
    Logger* logger = nullptr;
    // File that remembers missing shards across a crash. Without one what stands behind the
    // metadata's `complete` is looked up at the opening.
    std::string hints_path;
    // Optional: takes the bytes of missing shards that have no room in memory any more.
    std::shared_ptr<HintedShards> hinted;
    // On how many stores an aggregation is before it is committed, k ... k+m; 0: the usual number.
    // It is in the metadata, as that of the epoch: readers conclude from it what cannot have been
    // committed.
    unsigned write_quorum = 0;
    std::uint64_t buffered_bytes_max = 64 * kMiB;
    std::uint64_t open_timeout_ns = 10'000'000'000;  // of create() and open(), to reach a quorum
    Random* random = &system_random();               // for the jitter of back-offs
    // Optional: opening aggregations for the index, re-making lost shards; without it the loop's
    // thread does that.
    io::Workers* workers = nullptr;
    // Optional, on the loop's thread: may_append() was false and is true again.
    std::function<void()> on_room;
    // Optional, on the loop's thread, once: another writer has taken the vdisk over. Nothing that
    // is not committed by now ever will be; everything is answered with kFenced.
    std::function<void(const std::string& by)> on_fenced;
    Uuid journal = {};  // of this writer: what it is told from others by
    Uuid opening = {};  // besides, where others may write with the same journal; see claim_owner()
  };
  // Creates the metadata of a new vdisk on a quorum of stores. kAlreadyExists when it exists,
  // kCorruption when stores have anything else of it. Waits, as open() does: not on the loop's
  // thread.
  static Status create(const Parts& parts, const format::VdiskFormat& format);
  // Closes the epochs of earlier writers, so that nothing is added to the log any more, whoever
  // still lives: before the reader that finds the head for open() is opened. Answers, per store,
  // where they are not closed, for LogReader::Parts::not_fenced.
  static Result<std::vector<bool>> fence(const Parts& parts, const format::Metadata& metadata);
  // Claims the next epoch (see claim.h), brings what was perhaps not committed of the log's end to
  // the write quorum, publishes the metadata with the new epoch and continues behind `head`.
  // kUnavailable: too few stores. kFenced: another writer was quicker, or has written since
  // `metadata` was read: begin again with that.
  static Result<std::unique_ptr<LogWriter>> open(Parts parts, format::Metadata metadata,
                                                 const walk::LogHead& head);
  virtual ~LogWriter() = default;

  virtual Epoch epoch() const = 0;
  virtual Uuid log() const = 0;  // see format::Metadata
  // Aggregations are appended in the order of their numbers; `reference` describes it for pages and
  // hints.
  virtual void append(shard::ShardSet shards, format::AggregationReference reference, bool urgent,
                      std::function<void(Status)> done) = 0;
  virtual bool may_append()
      const = 0;  // false while buffered_bytes_max is reached: wait for `on_room`
  virtual LogWriterStatus status() const = 0;
  virtual std::uint64_t buffered_bytes() const = 0;  // of status(), for who asks often
  // Begins to look whether the stores have all that is committed; status() says how it goes.
  // kUnavailable while one is running; one in the background gives way to one that is not, and is
  // not taken up again by itself. Waits for the loop: not on its thread.
  virtual Status scrub(const ScrubOptions& options) = 0;
  virtual void end_background_scrub() = 0;  // if one runs. Waits for the loop, as scrub() does
  // A reader has met these: they are made anew, or put from where they are kept. What is still on
  // its way to its store is left alone.
  virtual void mend(AggregationNumber number, std::vector<walk::BadShard> shards) = 0;
  // From now on the metadata says that the vdisk's active blocks are in this place. Answers when a
  // quorum of stores has it: then every later opening, on whatever host, finds it. kTimeout with
  // the stores that are missing: it is brought to them all the same, and may be found by a later
  // opening or not, until a call answers {}; who wants another place than that calls again.
  // kFenced: another writer decides now. kShutdown: the writer is closing; again it may be found or
  // not. Waits for the loop: not on its thread.
  virtual Status place_blocks(const format::BlockPlace& place, std::uint64_t timeout_ns) = 0;
  // Waits, until the clock's monotonic_ns() is `deadline_ns`, for appends and for the shards of
  // stores that work, writes the metadata's head hint, then calls `done`: no store is called any
  // more. Appends that are not committed by then are answered with kShutdown. Destroying the writer
  // without it stops at once (the loop must run).
  virtual void close(std::uint64_t deadline_ns, std::function<void()> done) = 0;
};

}  // namespace tlog::flush
