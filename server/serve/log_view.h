// LogView: a vdisk's log for a client that only reads it: its stores, opened beside whoever writes
// them, here or elsewhere. It claims nothing and changes nothing.
//
// Threading: open() and read() block: not on the loop's thread nor a worker; a second read() waits
// for the first, which may be one that nobody wants any more and ends soon. The last pointer to it
// goes on the loop's thread, its stores are closed elsewhere.
// Errors: those of ReadOnlyLog.
#pragma once

#include <memory>
#include <string>

#include "server/log/read_only_log.h"
#include "server/serve/core.h"
#include "tlog/base/mutex.h"

namespace tlog::server {

class LogView {
 public:
  static Result<std::shared_ptr<LogView>> open(std::shared_ptr<Core> core, const std::string& vdisk,
                                               std::shared_ptr<const seal::MasterKey> key);
  const format::VdiskFormat& format() const { return log_->format(); }
  Uuid log_id() const { return log_->log_id(); }
  protocol::LogPosition position() const;  // of the end, as it was seen last

  Result<Sequence> refresh();  // looks how far the log goes now

  // Likewise, if need be, and visits the records.
  Status read(Sequence first, Sequence last, const ServedLog::Visitor& visitor);
  void stop_reading() { log_->stop_reading(); }  // any thread

 private:
  explicit LogView(std::unique_ptr<ReadOnlyLog> log);

  Mutex reading_mutex_;
  const std::unique_ptr<ReadOnlyLog> log_;  // read and refreshed under that
  mutable Mutex mutex_;
  protocol::LogPosition position_ GUARDED_BY(mutex_);
};

}  // namespace tlog::server
