// FileLogger: the log of a server, on standard error or in a file that can be opened anew after it
// was renamed away. Lines in a file begin with the time (UTC); standard error is of who collects
// it.
//
// Threading: any thread.
// Errors: a line that cannot be written is lost: nobody is there to tell. open() and reopen() say
// why.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/mutex.h"
#include "tlog/base/result.h"

namespace tlog::program {

class FileLogger final : public Logger {
 public:
  struct Options {
    std::string path;  // "": standard error
    LogLevel least = LogLevel::kInfo;
    const Clock* clock = &system_clock();
  };
  static Result<std::unique_ptr<FileLogger>> open(Options options);

  void write(LogLevel level, std::string_view line) override;
  // The file of that name, made when there is none. When that fails the old one is gone on with.
  Status reopen();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using OpenFile = std::unique_ptr<std::FILE, Close>;
  explicit FileLogger(Options options) : options_(std::move(options)) {}
  static Result<OpenFile> open_file(const std::string& path);

  const Options options_;
  Mutex mutex_;
  OpenFile file_ GUARDED_BY(mutex_);  // null: standard error
};

}  // namespace tlog::program
