// LogDirectory: append-only logs as files, each with its log's name, in one directory. Appending is
// all or nothing, also when the process is killed in the middle: while it is under way a file
// ".append-NAME" says how long the log was, and the next opening cuts the log back to that.
//
//   .append-NAME written, synced -> the log's new bytes, synced -> .append-NAME removed, synced
//
// Files that others put there are logs too, and may grow by their hands; a log is as long as its
// file, unless something is being appended to it. Other names (with a dot, say) are no logs.
//
// Threading: any thread. One process at a time: the directory is locked.
// Durability: what append() has confirmed outlives the machine's crash.
// Errors: those of the file system; kUnavailable when another process has the directory. After a
// failed sync a log takes nothing more until the directory is opened anew.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "gateways/logset/repository.h"
#include "gateways/logset/spooled_slice.h"
#include "tlog/base/mutex.h"

namespace tlog::logset {

class LogDirectory {
 public:
  // Makes the directory when there is none.
  static Result<std::unique_ptr<LogDirectory>> open(io::FileSystem& files,
                                                    const std::string& directory,
                                                    std::size_t logs_max = kLogsMax);

  Result<std::vector<LogLength>> lengths();
  Result<std::uint64_t> length(const std::string& log);  // 0: there is none
  Status read(const std::string& log, std::uint64_t offset, ByteSpan into);
  // kFenced unless the log ends at `head.offset`. `check`, if any, has the last word, with the log
  // locked.
  using Check = std::function<Status()>;
  Status append(const SliceHead& head, SpooledSlice& slice, const Check& check = nullptr);
  // kNoSpace when so much more does not fit, or when the slice would begin a log too many.
  Status check_room(const SliceHead& head);

  const std::string& path() const { return directory_; }
  io::FileSystem& files() { return files_; }

 private:
  struct Log {
    Mutex mutex;
    bool appending GUARDED_BY(mutex) = false;  // `bytes` counts, not the file's length
    std::uint64_t bytes GUARDED_BY(mutex) = 0;
    bool failed GUARDED_BY(mutex) = false;
    Mutex append_mutex;  // held by who appends; before `mutex`
  };

  LogDirectory(io::FileSystem& files, std::string directory, std::size_t logs_max)
      : files_(files), directory_(std::move(directory)), logs_max_(logs_max) {}
  Status recover();
  Status cut_back(const std::string& marker);
  Status take_back(const std::string& name);  // what an append has left, if anything
  Log& log(const std::string& name) EXCLUDES(mutex_);
  Result<std::uint64_t> length_of(const std::string& name, Log& log);
  Status write(const SliceHead& head, SpooledSlice& slice);
  Status write_new_or_old(const SliceHead& head, SpooledSlice& slice);
  Result<std::size_t> count_files();
  // kNoSpace when the log is new and one too many. It counts as being made until made().
  Result<bool> make_new(const std::string& name) EXCLUDES(mutex_);
  void made(bool is_there) EXCLUDES(mutex_);
  std::string place(const std::string& name) const { return io::join_path(directory_, name); }

  io::FileSystem& files_;
  const std::string directory_;
  const std::size_t logs_max_;
  std::unique_ptr<io::File> lock_;
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<Log>> logs_ GUARDED_BY(mutex_);
  // Logs there may be: those that were found, those that were made since. Too high at times (some
  // were removed by hand), never too low but for what others put there.
  std::size_t count_ GUARDED_BY(mutex_) = 0;
  std::size_t making_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tlog::logset
