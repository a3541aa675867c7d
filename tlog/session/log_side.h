// File: tlog/session/log_side.h
// LogSide: what brings a vdisk's durable records from the journal into its log, steps 3 to 6 of a
// write's way. Two kinds: StoredLog seals them and puts them into the log's stores itself; a remote
// log sends them to tlogservers, which do that (server/client).
//
// Threading: as each call says; callbacks (Told) come on the loop's thread.
// Durability: Told::on_stored says up to where the log has all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tlog/flush/log_writer.h"
#include "tlog/session/vdisk.h"
#include "tlog/store/store.h"

namespace tlog::session {

class Core;
struct ServedSettings;

// Where the log ends when a vdisk is opened.
struct LogEnd {
  Sequence sequence = 0;
  TimestampNs timestamp = 0;
};

// The log's stores, for who reads the log beside its writer. Borrowed.
struct LogAccess {
  std::vector<store::Store*> stores;
  flush::LogWriter* log = nullptr;
};

class LogSide {
 public:
  struct Told {
    std::function<void(Sequence)> on_stored;               // all up to it
    std::function<void(const std::string& by)> on_fenced;  // nothing is stored any more
  };
  virtual ~LogSide() = default;  // closed, or never attached

  virtual Epoch epoch() const = 0;
  virtual LogEnd end() const = 0;  // as it was opened
  // Null: it cannot be read from here.
  virtual const LogAccess* access() const = 0;

  // Once, before everything below: whose records these are. The core outlives it.
  virtual void attach(Core& core, Told told) = 0;
  virtual void start() = 0;
  // More may be due: begins it elsewhere. Any thread, under the core's mutex.
  virtual void work_changed() = 0;
  // Somebody waits for core.forced to be stored, and lends its thread. Not under the mutex, not the
  // loop's.
  virtual void work_here() = 0;
  virtual void reconfigure(const ServedSettings& settings) = 0;

  // Closing, in this order; not from the loop's thread.
  virtual void stop_background() = 0;                 // what is not for the vdisk's own records
  virtual void close(std::uint64_t deadline_ns) = 0;  // takes no more records, ends the log
  virtual void close_stores() = 0;                    // when nobody reads the log any more

  // Any thread.
  virtual std::string waits_for() const = 0;  // why nothing is stored, "" when it is; for people
  virtual Status scrub(const flush::ScrubOptions& options) = 0;
  // Of a standby that whoever keeps the log keeps too; all that was appended before the call.
  // Blocks. Nothing: there is none such.
  virtual std::optional<Result<Sequence>> wait_slave_sync(Sequence target,
                                                          std::uint64_t timeout_ns) = 0;
  // Ends what waits in wait_slave_sync(), now and later: kShutdown.
  virtual void stop_waiting() = 0;
  virtual void add_status(VdiskStatus& status) const = 0;  // log, stores, scrubs
};

}  // namespace tlog::session
