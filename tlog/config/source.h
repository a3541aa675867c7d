// File: tlog/config/source.h
// Source: where a configuration's text comes from while vdisks are served by it, and how a change
// of it is noticed. session/reloader asks it.
//
// Threading: read() from any thread; wait_for_change() from one thread; wake() from any.
#pragma once

#include <memory>
#include <string>

#include "tlog/config/config.h"
#include "tlog/io/directory_watcher.h"

namespace tlog::config {

class Source {
 public:
  virtual ~Source() = default;

  // For people, and in front of line and column: "/etc/tlogdisk/tlogdisk.yml".
  virtual const std::string& name() const = 0;
  // The file that relative paths are relative to.
  virtual const std::string& path() const = 0;
  // Errors name the source and the reason.
  virtual Result<std::string> read() = 0;
  // Waits until the text may have changed since it was read, for at most `timeout_ns`: kChanged may
  // be said for nothing, and a change that comes while nobody waits is told the next time.
  virtual io::WatchOutcome wait_for_change(std::uint64_t timeout_ns) = 0;
  // This and every later wait ends at once.
  virtual void wake() = 0;
};

// A file, watched by way of its directories, so that it may be written in place, renamed into
// place, or reached through links that are exchanged.
std::unique_ptr<Source> make_file_source(io::FileSystem& files, std::string path, Logger& logger);

// Reads and checks; problems are named with the source, line and column.
Result<Config> load(Source& source);

// What a local file says with its one key `configSource`: where the configuration really is. "" for
// an ordinary configuration, good or bad.
Result<std::string> source_named_in(const std::string& text, const std::string& path);

}  // namespace tlog::config
