// File: tlog/session/standby.h
// Standby: what keeps a second cluster's blocks equal to a vdisk's stored log, and goes over to
// them when the first ones fail. The session's side of slave-sync/, which implements it; step 8 of
// a write's way.
//
// The two clusters of a vdisk are those of `storage` and `slaveStorage` in its configuration. One
// of them is active (reads and applying go there), the other follows. Which one is active is in the
// log's metadata (format::BlockPlace), so that a restart and another host agree.
//
// Threading: every call from any thread. What waits is bounded by its timeout.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tlog/base/types.h"
#include "tlog/blocks/block_storage.h"
#include "tlog/flush/log_writer.h"
#include "tlog/seal/sealer.h"
#include "tlog/store/store.h"

namespace tlog::session {

class Core;

enum class StandbyState {
  kOff,          // not configured, or slaveSync is off
  kStarting,     // its servers have not all been looked at yet
  kWaiting,      // they cannot be reached, or the log cannot be read; tried on
  kCatchingUp,   // it has never had all that is stored, in this opening
  kInSync,       // it has had all that was stored; goes on behind it
  kDiverged,     // it has what is not the vdisk's: refused until `resync --force`
  kFailingOver,  // the vdisk is going over to it
  kFailedOver,   // the vdisk has gone over to it: nothing follows until a resync
};
std::string_view standby_state_name(StandbyState state);

// How far a cluster has come in the log: states are compared by these three, never by a flag.
struct SyncPosition {
  Epoch epoch = 0;
  Sequence sequence = 0;
  AggregationNumber number = 0;  // the aggregation that `sequence` ends, 0: the log's beginning
  Hash256 hash{};                // its own
  friend bool operator==(const SyncPosition&, const SyncPosition&) = default;
};

// Acknowledged writes that a forced failover has left behind.
struct LostRange {
  Sequence first_sequence = 0;
  Sequence last_sequence = 0;
  TimestampNs first_timestamp = 0;
  TimestampNs last_timestamp = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> bytes;  // offset, length; merged, ascending
  bool bytes_known = true;  // false: they were in a log that cannot be read
};

// What a failover or failback has done.
struct Receipt {
  std::string vdisk;
  std::string from;      // cluster
  std::string to;        // cluster
  std::string cause;     // "asked for", or what had failed
  bool planned = false;  // a failback, or a failover while both clusters were well
  TimestampNs began = 0;
  TimestampNs ended = 0;
  std::uint64_t pause_ns = 0;  // for which applying was held
  Epoch epoch = 0;
  Sequence appended = 0;  // the newest acknowledged record when applying was held
  Sequence applied = 0;   // what the cluster that was left had
  SyncPosition log;       // what the log had stored: one side
  SyncPosition standby;   // what the standby had then: the other side; equal when nothing is lost
  std::vector<LostRange> lost;  // none: no acknowledged write is lost
  std::string path;             // its file
  std::string text() const;     // one line for people
};

struct StandbyStatus {
  StandbyState state = StandbyState::kOff;
  std::string reason;               // why it is not in sync, or refused; "" when it is
  std::string active;               // cluster that has the blocks now
  std::string standby;              // cluster that follows, or would
  std::string phase;                // of the failover under way, "" when there is none
  bool was_complete = false;        // in this opening: only then may the vdisk go over to it
  SyncPosition synced;              // all its servers have this
  std::uint64_t lag_records = 0;    // appended and not synced
  std::uint64_t lag_ns = 0;         // how old the oldest of these is; 0: there is none
  std::uint64_t applied_bytes = 0;  // by the follower, in this opening
  std::uint64_t failing_ns = 0;  // for how long the active cluster has been failing; 0: it is well
  std::uint64_t failover_after_ns = 0;
  std::vector<blocks::PartStatus> servers;  // of the standby
  std::optional<Receipt> last_receipt;      // of this opening, or the newest file's
};

struct FailoverOptions {
  std::uint64_t timeout_ns = 60'000'000'000;  // for the standby to have everything
  // Go over although the standby lacks acknowledged writes that cannot be brought to it now; the
  // receipt names them.
  bool accept_loss = false;
  bool keep_following = false;  // the cluster that is left becomes the standby: a failback
};
struct ResyncOptions {
  bool force = false;  // discards what the standby has and is not the vdisk's
};

class Standby {
 public:
  virtual ~Standby() = default;

  virtual void start() = 0;        // a thread of its own
  virtual void ask_to_stop() = 0;  // no step begins afterwards
  virtual void stop() = 0;         // and waits until it has

  virtual void on_stored() = 0;  // more has been stored; the loop's thread

  // Waits until the standby has all records up to `target`, which are stored or being stored.
  // kTimeout; kUnavailable with the reason why it cannot be expected (off, diverged, failed over).
  virtual Status wait_synced(Sequence target, std::uint64_t timeout_ns) = 0;
  virtual Result<Receipt> fail_over(const FailoverOptions& options) = 0;
  virtual Status resync(const ResyncOptions& options) = 0;
  virtual StandbyStatus status() const = 0;

  // A read of `failed` has failed. Waits for another storage to take its place, or for it to be
  // well again: true, try again. False: neither is to be expected before `deadline_ns` (monotonic).
  virtual bool await_storage(const blocks::BlockStorage* failed, std::uint64_t deadline_ns) = 0;

  struct Settings {
    bool slave_sync = false;
    std::string primary;                                   // cluster of `storage`
    std::vector<store::RespStoreOptions> primary_servers;  // in their order
    std::string slave;                                     // cluster of `slaveStorage`
    std::vector<store::RespStoreOptions> slave_servers;
    std::uint64_t failover_after_ns = 5'000'000'000;
  };
  // What a new configuration says. A slave cluster of another name begins to be followed.
  virtual void reconfigure(const Settings& settings) = 0;
};

struct StandbyParts {
  // Borrowed; outlives the standby.
  Core* core = nullptr;
  std::vector<store::Store*> log_stores;
  const seal::Sealer* sealer = nullptr;
  flush::LogWriter* log = nullptr;
  io::FileSystem* files = nullptr;
  Standby::Settings settings;
  std::string active;          // cluster that core->storage() was opened on
  std::uint64_t switches = 0;  // format::BlockPlace's, so far
  std::string receipts;        // directory of them
  // DataPath::log_again(), for what a forced failover has left behind.
  std::function<Status(std::uint64_t offset, std::uint64_t length)> log_again;
  // Optional: told of each step of a failover when it begins, for tests.
  std::function<void(std::string_view step)> on_step;
  // Opens the vdisk's blocks on these servers as a follower of this epoch's writer.
  std::function<Result<std::shared_ptr<blocks::BlockStorage>>(
      const std::vector<store::RespStoreOptions>& servers, Sequence possible, bool discard)>
      open_follower;
};
using MakeStandby = std::function<std::unique_ptr<Standby>(StandbyParts)>;

}  // namespace tlog::session
