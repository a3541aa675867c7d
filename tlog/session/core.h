// File: tlog/session/core.h
// Core: the state of one served vdisk that its data path and its background parts share, under one
// lock (the journal's). Sealing, applying and releasing are strands: at most one task of each is on
// the workers at a time.
//
//   sequences:  table_first ...... next_apply / next_seal ...... durable ...... appended
//
// Owner: ServedVdisk. Everything here lives until the vdisk is closed and its strands and batches
// have ended.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/watermark.h"
#include "tlog/blocks/block_storage.h"
#include "tlog/config/config.h"
#include "tlog/io/strand.h"
#include "tlog/io/workers.h"
#include "tlog/journal/committer.h"
#include "tlog/journal/journal.h"
#include "tlog/session/level.h"
#include "tlog/session/overlay.h"
#include "tlog/session/recent_log.h"
#include "tlog/session/unsynced_ranges.h"
#include "tlog/session/vdisk.h"

namespace tlog::session {

using io::Strand;

// What an operation leaves in the overlay; kNone for those that touch no range.
Overlay::Kind overlay_kind(Operation operation);

struct Counters {
  std::atomic<std::uint64_t> reads{0}, read_bytes{0};
  std::atomic<std::uint64_t> writes{0}, write_bytes{0};
  std::atomic<std::uint64_t> flushes{0}, slowed{0}, stalls{0};
};

enum class LagOf { kStored, kSynced };
// A promise of the configuration, see session/lag.h.
struct KeptLag {
  std::atomic<std::uint64_t> max_ns{0};  // 0: none
  std::atomic<config::OnLag> on_lag{config::OnLag::kThrottle};
  void take(const config::LagLimit& limit) {
    max_ns = limit.max_ns;
    on_lag = limit.on_lag;
  }
};

// What the configuration may change while the vdisk is served. Any thread.
struct Settings {
  std::atomic<std::uint64_t> flush_size{0};
  std::atomic<std::uint64_t> flush_time_ns{0};
  std::atomic<std::uint64_t> stall_timeout_ns{0};
  std::atomic<std::uint64_t> scrub_every_ns{0};
  std::atomic<std::uint64_t> scrub_deep_every_ns{0};
  std::atomic<std::uint64_t> scrub_rate{0};
  KeptLag stored_lag;
  KeptLag synced_lag;
  const KeptLag& lag(LagOf what) const { return what == LagOf::kStored ? stored_lag : synced_lag; }
  // A lag cannot be kept below what is gathered first: a quarter of it is for that, the rest for
  // the stores.
  std::uint64_t gather_time_ns() const {
    std::uint64_t time = flush_time_ns;
    for (std::uint64_t max : {stored_lag.max_ns.load(), synced_lag.max_ns.load()}) {
      if (max != 0) time = std::min(time, max / 4);
    }
    return time;
  }
  void take(const config::Tlog& tlog, const config::SlaveStorage& slave) {
    flush_size = tlog.flush_size;
    flush_time_ns = tlog.flush_time_ns;
    stall_timeout_ns = tlog.stall_timeout_ns;
    scrub_every_ns = tlog.scrub_every_ns;
    scrub_deep_every_ns = tlog.scrub_deep_every_ns;
    scrub_rate = tlog.scrub_rate;
    stored_lag.take(tlog.lag);
    const bool follows = tlog.slave_sync && !slave.cluster.empty();
    synced_lag.take(follows ? slave.lag : config::LagLimit{});
  }
};

class Core {
 public:
  struct Parts {
    config::Vdisk config;
    Uuid uuid;
    std::uint64_t records_max = 0;  // bounds the record table and with it the overlay
    bool stores_are_local = false;  // on this machine's disks, perhaps the journal's
    std::unique_ptr<journal::Journal> journal;
    std::shared_ptr<blocks::BlockStorage> storage;
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    const Clock* clock = nullptr;
    Logger* logger = nullptr;
  };
  explicit Core(Parts parts);

  const config::Vdisk
      config;  // as the vdisk was opened; `settings` has what may have changed since
  Settings settings;
  const Uuid uuid;
  const std::uint64_t records_max;
  const bool stores_are_local;
  const std::unique_ptr<journal::Journal> journal;
  io::Loop& loop;
  io::Workers& workers;
  const Clock& clock;
  Logger& logger;
  Counters counters;

  // The active one. Whoever does several things that belong together asks once: a failover puts
  // another in its place at any time. What was read from or done to the former one still holds,
  // because the new one had all of it by then.
  std::shared_ptr<blocks::BlockStorage> storage() const {
    MutexLock lock(storage_mutex_);
    return storage_;
  }
  // Under mutex(), so that who holds it sees the same storage throughout.
  void replace_storage(std::shared_ptr<blocks::BlockStorage> storage) REQUIRES(mutex()) {
    MutexLock lock(storage_mutex_);
    storage_.swap(storage);
  }

  // Self-synchronised.
  RecentLog recent_log;
  Watermark durable;
  Watermark stored;
  // By enough tlogservers, of a log that they keep, in memory at least: less again when they die.
  Level received;
  Watermark applied;
  std::atomic<TimestampNs> oldest_unsynced{0};  // of its records; 0: none, or nothing follows
  std::atomic<Sequence> synced{0};              // the standby has all up to here
  std::atomic<Sequence> appended{0};
  // The background parts to tell; set once before serving starts.
  std::function<void()> request_commit;
  std::function<bool(Sequence)> wait_durable;  // false: failed. Not under mutex()
  // Seals what is due in the calling thread, unless somebody is at it. Not under mutex().
  std::function<void()> seal_here;
  std::function<std::string()> log_waits_for;  // why nothing is stored, "" when it is; for people
  // A read of this storage has failed: see Standby::await_storage(). Null without a standby.
  std::function<bool(const blocks::BlockStorage*, std::uint64_t deadline_ns)> await_storage;
  std::function<void()>
      work_changed;  // schedules the strands that have something to do; REQUIRES mutex()

  Mutex& mutex() TLOG_ANNOTATE(lock_returned(journal->mutex())) { return journal->mutex(); }

  // The rest is guarded by mutex().
  State state = State::kServing;
  std::string reason;  // why kFailed
  CondVar room;        // has become more
  unsigned waiting_for_room = 0;
  Overlay overlay;
  std::deque<journal::Entry>
      table;  // records not yet released; table[i] has sequence table_first + i
  Sequence table_first = 1;
  TimestampNs last_timestamp = 0;
  Sequence next_seal = 1;   // all before are in a sealed aggregation
  Sequence next_apply = 1;  // all before are in block storage, though perhaps not durable there
  Sequence forced = 0;      // all up to here shall be stored now
  std::uint64_t unsealed_since_ns = 0;  // monotonic; when next_seal's record began to wait
  bool seal_blocked =
      false;  // the log takes no more: let the arena go ahead, the journal still has it
  bool apply_blocked = false;        // the same for block storage
  std::uint64_t apply_retry_ns = 0;  // monotonic; not tried again before, while blocked
  bool apply_held = false;           // the vdisk is going over to other block storage ...
  bool writes_held = false;          // ... that lacks something, which is logged anew first
  bool releasing = false;            // a release is under way
  bool keeps_unsynced = false;       // there is a standby: what is released before it has it ...
  UnsyncedRanges unsynced;           // ... is noted here
  bool apply_now = false;            // a quiet moment: apply though the batch is small
  bool draining = false;             // closing: apply and release everything

  // The record table. All REQUIRE mutex().
  Sequence table_end() const { return table_first + table.size(); }
  const journal::Entry& entry(Sequence sequence) const { return table[sequence - table_first]; }
  // Where a record begins in the journal, its head for the one that does not exist yet.
  journal::Position position_of(Sequence sequence) const;
  // The stream bytes of neighbouring records from the journal's files, their data verified. Not
  // under mutex().
  Result<Buffer> read_back(const std::vector<journal::Entry>& entries) const;
  // The oldest arena byte that sealing or applying wants to find in memory.
  journal::Position arena_wanted_from() const;

  // Final: nothing is written or flushed any more until the vdisk is opened again. Any thread, not
  // under mutex().
  void fail_for_good(const std::string& why);
  std::string who() const;  // "vdisk 'vm1'"

 private:
  mutable Mutex storage_mutex_;  // never held for long
  std::shared_ptr<blocks::BlockStorage> storage_ GUARDED_BY(storage_mutex_);
};

}  // namespace tlog::session
