// File: tlog/io/directory_watcher.h
// DirectoryWatcher: tells when something in a few directories has been written, made, renamed or
// removed. Directories and not files: an editor renames a new file into place, and a container's
// orchestrator exchanges a link beside it.
//
// Threading: watch() from one thread at a time and wait() from one, also at the same time; wake()
// from any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tlog/base/result.h"

namespace tlog::io {

enum class WatchOutcome {
  kChanged,  // perhaps
  kQuiet,    // nothing within the time
  kWoken,    // by wake()
};

class DirectoryWatcher {
 public:
  virtual ~DirectoryWatcher() = default;

  // From now on these and no others. What cannot be watched (it is not there, the system has no
  // watches left) is the error; the others are watched all the same, and wait() works without any.
  virtual Status watch(const std::vector<std::string>& directories) = 0;
  virtual WatchOutcome wait(std::uint64_t timeout_ns) = 0;
  // This and every later wait() ends at once.
  virtual void wake() = 0;
};

// The operating system's (inotify). Changes that another machine makes on a network file system are
// not seen by it.
std::unique_ptr<DirectoryWatcher> make_directory_watcher();

// The directories in which something changes when `path`, absolute, becomes another file: its own,
// and those of all links on the way to it.
std::vector<std::string> directories_on_the_way_to(const std::string& path);

}  // namespace tlog::io
