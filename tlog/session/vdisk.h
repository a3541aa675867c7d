// File: tlog/session/vdisk.h
// Vdisk: one virtual disk that is served. Step 1 of a write's way, and the face of the engine
// towards the plugin.
//
// Threading: every call from any thread at once. Writes never wait except for room (journal and
// arena), and for the journal when `fua`; reads of what is logged but not applied come from memory,
// others from block storage. Durability, when a call has returned success:
//   write, discard, zero      survives the death of the process; not yet power loss, of which what
//   survives is a
//                             gap-free prefix of sequences
//   the same with fua, flush  survives power loss (`durability: journal`), also of the host
//   (`durability: cluster`);
//                             flush covers every call that had returned before it was made, on any
//                             connection
// Errors: kInvalidArgument (beyond the end), kNoSpace or kTimeout (no room within stallTimeout),
// kUnavailable (`onLag: fail`: not stored, or not on the standby, within maxLag),
// kIoError (sticky: after a failed journal write or sync every later write and flush fails until
// the vdisk is opened again), kShutdown.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tlog/base/types.h"
#include "tlog/blocks/block_storage.h"
#include "tlog/flush/log_writer.h"
#include "tlog/flush/scrub_file.h"
#include "tlog/session/standby.h"
#include "tlog/store/store.h"

namespace tlog::session {

enum class State { kServing, kReadOnly, kFailed, kStopped };
std::string_view state_name(State state);

// appended >= durable >= stored, applied <= durable. The names of architecture.md, of `tlogctl
// status` and the docs.
struct Watermarks {
  Sequence appended = 0;
  Sequence durable = 0;
  Sequence stored = 0;
  Sequence applied = 0;
};

// Of the scrubs in the background. Times are wall clock.
struct ScrubSchedule {
  struct Kind {
    bool running = false;
    TimestampNs began = 0;       // the pass under way; 0: none is. It may be interrupted
    AggregationNumber done = 0;  // of it
    AggregationNumber last = 0;  // of it; 0: not known yet in this life
    flush::ScrubFound found;     // by it
    TimestampNs next = 0;        // when the next one is due; 0: never
    TimestampNs finished = 0;    // the last one; 0: never
    flush::ScrubFound result;    // of the last one
  };
  Kind light;
  Kind deep;
  std::string waiting;  // why none runs that is due, "" when one does; for people
};

// A tlogserver that the vdisk's records are sent to.
struct LogServerStatus {
  std::string address;
  std::string stripe;  // which it keeps, "0 of 2"; "": all of the log
  std::string state;   // for people: "sending", "connecting", ...
  std::string reason;  // why it is not sending, "" when it is
  Sequence sent = 0, received = 0, stored = 0, synced = 0;
  std::uint64_t connections = 0;
  std::uint64_t resent_records = 0;
  std::uint64_t round_trip_ns = 0;
};

struct VdiskStatus {
  std::string name;
  Uuid uuid;
  State state = State::kServing;
  std::string reason;      // of kFailed and of waiting
  bool is_fenced = false;  // kFailed because another host has taken it over
  Uuid journal;            // that this host writes it with
  std::uint64_t size = 0;
  Epoch epoch = 0;
  Watermarks watermarks;
  std::uint64_t journal_bytes_used = 0;
  std::uint64_t journal_bytes_total = 0;
  std::uint64_t arena_bytes_used = 0;
  std::uint64_t overlay_extents = 0;
  std::uint64_t reads = 0, read_bytes = 0;
  std::uint64_t writes = 0, write_bytes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t slowed = 0;  // calls that were delayed because room was getting short
  std::uint64_t stalls = 0;  // calls that had to wait for room
  flush::LogWriterStatus log;
  ScrubSchedule scrubs;
  std::vector<std::string> alarms;         // "WORD: in full", of promises that are broken (maxLag)
  std::vector<store::StoreStatus> stores;  // of the log; or
  std::vector<LogServerStatus> log_servers;  // who keep it
  std::vector<blocks::PartStatus> block_servers;
  std::optional<StandbyStatus> standby;  // of a vdisk with slaveStorage
};

class Vdisk {
 public:
  virtual ~Vdisk() = default;

  virtual const std::string& name() const = 0;
  virtual std::uint64_t size() const = 0;
  virtual std::uint32_t block_size() const = 0;
  virtual bool read_only() const = 0;

  virtual Status read(std::uint64_t offset, ByteSpan into) = 0;
  virtual Status write(std::uint64_t offset, ConstByteSpan data, bool fua) = 0;
  virtual Status discard(std::uint64_t offset, std::uint64_t length, bool fua) = 0;
  virtual Status zero(std::uint64_t offset, std::uint64_t length, bool may_discard, bool fua) = 0;
  virtual Status flush() = 0;
  // Logged and applied together; extents cover the range, ascending, without gaps.
  virtual Result<std::vector<blocks::Extent>> extents(std::uint64_t offset,
                                                      std::uint64_t length) = 0;

  // A named restore point; answers its sequence once it is durable as flush() makes it.
  virtual Result<Sequence> mark(const std::string& name) = 0;
  // Forces everything appended so far into the stores and waits for it (not longer than the
  // deadline): the sequence.
  virtual Result<Sequence> flush_to_stores(std::uint64_t timeout_ns) = 0;

  // Begins to look whether the stores have all of the log, and to bring back what they lack when
  // asked; status().log.scrub says how it goes. One in the background gives way and goes on
  // afterwards.
  virtual Status scrub(const flush::ScrubOptions& options) = 0;

  // WaitNbdSlaveSync: waits until the standby has every record that was acknowledged before the
  // call, stored by then or not: their sequence. kTimeout says how far it has come; kUnavailable
  // why it cannot be waited for (slave sync is off, the standby has diverged, ...).
  virtual Result<Sequence> wait_slave_sync(std::uint64_t timeout_ns) = 0;
  // Goes over to the standby. Refused (kUnavailable, kNotSupported) with the reason; then nothing
  // has changed.
  virtual Result<Receipt> fail_over(const FailoverOptions& options) = 0;
  // Begins to bring the cluster that is not active up to date from the log; status().standby says
  // how it goes.
  virtual Status resync(const ResyncOptions& options) = 0;

  virtual VdiskStatus status() const = 0;
};

}  // namespace tlog::session
