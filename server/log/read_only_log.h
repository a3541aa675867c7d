// File: server/log/read_only_log.h
// ReadOnlyLog: a log that this server only reads (Role::kReader), while another one may write it, or
// nobody: it changes nothing. Where this server writes the log itself, ServedLog::read() is for
// that.
//
// Threading: one thread at a time, not the loop's; stop_reading() from any.
// Errors: open(): kNotFound, kWrongKey, kUnavailable; see walk::LogReader.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/log/served_log.h"

namespace tlog::server {

class ReadOnlyLog {
 public:
  struct Parts {
    std::string vdisk;
    std::vector<std::unique_ptr<store::Store>> stores;  // of the log; closed with it
    std::shared_ptr<const seal::MasterKey> key;
    // Borrowed.
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    Random* random = nullptr;
    Logger* logger = nullptr;
  };
  // Stores are closed when it fails.
  static Result<std::unique_ptr<ReadOnlyLog>> open(Parts parts);
  virtual ~ReadOnlyLog() = default;  // closes its stores

  virtual const format::VdiskFormat& format() const = 0;
  virtual Uuid log_id() const = 0;  // as ServedLog's; nil: it has never been written
  // As it was at the opening, or at the last refresh().
  virtual protocol::LogPosition position() const = 0;
  virtual Result<protocol::LogPosition> refresh() = 0;
  // As ServedLog's, up to position().
  virtual Status read(Sequence first, Sequence last, const ServedLog::Visitor& visitor) = 0;
  // Whatever reads, or will, ends with kShutdown.
  virtual void stop_reading() = 0;
};

}  // namespace tlog::server
