// ServedLog: one vdisk's log as a tlogserver writes it: records come in order, are gathered into
// aggregations, sealed, sharded and stored; steps 3 to 6 of a write's way, without a journal: what
// is not stored is lost with the process, and the client, who has it, sends it again.
//
// Threading: open(), close(), read() and the destructor block: not from the loop's thread.
// Everything else from any thread; callbacks come on the loop's thread. close() and the destructor
// wait for who is reading.
// Durability: stored() says that all up to it is committed to the stores.
// Memory: take() is refused never for want of it, but while full() the caller should take nothing
// more from the client: then what is held is at most memory_bytes_max and what one batch has.
// Records are held until they are sealed; what is sealed, until its stores have it.
// Errors: kFenced when another writer has claimed the log (on_failed, for good).
// Its id is a uuid that was made when the log was created, and is in its metadata.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/protocol/batch.h"
#include "server/protocol/message.h"
#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/random.h"
#include "tlog/flush/log_writer.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/session/scrubbing.h"
#include "tlog/store/store.h"

namespace tlog::server {

class ServedLog {
 public:
  struct Parts {
    std::vector<std::unique_ptr<store::Store>> stores;  // of the log; closed by close()
    std::shared_ptr<const seal::MasterKey> key;
    format::VdiskFormat format;  // wanted; k and m are set
    Uuid journal;                // the client's
    bool may_create = false;
    bool take_over = false;
    // kFenced too when nobody has written it yet, or nobody knows who: of who relies on its being
    // as he has left it.
    bool only_own = false;
    std::uint64_t flush_size = 25;
    std::uint64_t flush_time_ns = 25'000'000'000;
    unsigned write_quorum = 0;
    std::uint64_t memory_bytes_max = 64 * kMiB;
    // What the stores lack of the log is looked for, and brought back, so often; intervals of 0:
    // never.
    session::Scrubbing::Wishes scrubs = {};
    // When that was, and how far: from one opening to the next. One log at a time has it.
    std::shared_ptr<flush::ScrubRecord> scrub_record = {};
    // Borrowed.
    io::FileSystem* files = nullptr;
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    const Clock* clock = nullptr;
    Random* random = nullptr;
    Logger* logger = nullptr;
    // On the loop's thread, until close() has returned.
    std::function<void(Sequence)> on_received;  // verified: counts as received
    std::function<void(Sequence)> on_stored;
    std::function<void()> on_room;  // full() was true and is false again
    // Nothing more is taken. After a wrong hash (kCorruption) what was received before is stored
    // still, and this comes again if that cannot go on; else it comes once, and nothing more is.
    std::function<void(const Error&)> on_failed;
  };
  // Finds or creates the log and becomes its writer. kNotFound: there is none, and may_create is
  // not set. kFenced: another journal wrote it last, and take_over is not set. kInvalidArgument:
  // the format is another one (both are named). kWrongKey. kUnavailable: too few stores. Who is
  // refused has not disturbed the writer that there is. Stores are closed when it fails.
  static Result<std::unique_ptr<ServedLog>> open(Parts parts);
  virtual ~ServedLog() = default;  // closed, or it stops at once

  virtual const format::VdiskFormat& format() const = 0;
  virtual Epoch epoch() const = 0;
  virtual bool created() const = 0;
  // The same from whatever server that has its stores, another for other stores.
  virtual Uuid log_id() const = 0;
  virtual protocol::LogPosition position() const = 0;  // what is stored
  virtual Sequence taken() const = 0;                  // by take(), verified or not
  virtual Sequence received() const = 0;               // verified
  virtual Sequence stored() const = 0;

  // Records behind taken(); what is not is refused with kInvalidArgument (a gap: names both
  // sequences; a time that goes back, a range outside of the vdisk), and what the log has already
  // is skipped. Their hashes are verified behind it: a wrong one is told by on_failed
  // (kCorruption), and nothing behind it is stored.
  virtual Status take(protocol::Batch batch) = 0;
  virtual bool full() const = 0;
  virtual bool can_store() const = 0;  // false: nothing more will be; on_failed has said why
  // All up to it, as far as it has been taken, shall be stored now.
  virtual void force(Sequence sequence) = 0;

  // Visits the records first .. last as stored, in order, about a batch at a time; ends early when
  // the visitor says false. kNotFound: outside of what is stored.
  using Visitor = std::function<Result<bool>(std::span<const format::Record>)>;
  virtual Status read(Sequence first, Sequence last, const Visitor& visitor) = 0;

  // For who reads it beside its writer, aggregation by aggregation: borrowed, until close() is
  // called.
  struct Access {
    std::vector<store::Store*> stores;
    const seal::Sealer* sealer = nullptr;
    std::vector<format::EpochEntry> epochs;  // of all writers, this one's the last
  };
  virtual Access access() const = 0;
  // Of the newest aggregation that is stored; nothing: none was since the opening. Never behind
  // stored().
  virtual std::optional<format::AggregationReference> newest() const = 0;
  // A reader has met these bad shards.
  virtual void mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) = 0;

  virtual void settings(std::uint64_t flush_size, std::uint64_t flush_time_ns) = 0;
  virtual flush::LogWriterStatus log_status() const = 0;
  virtual session::ScrubSchedule scrubs() const = 0;
  virtual std::uint64_t memory_bytes() const = 0;  // of records that are held
  // Stores what was taken, within the budget, and ends. True: all of it is stored.
  virtual bool close(std::uint64_t budget_ns) = 0;
};

}  // namespace tlog::server
