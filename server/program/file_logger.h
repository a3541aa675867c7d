// FileLogger: the log of a server, on standard error or in a file that can be opened anew after it
// was renamed away. Lines in a file begin with the time (UTC); standard error is of who collects
// it. A thread of its own writes them: a disk that is slow, or a pipe that nobody reads, keeps
// nobody waiting who has something to say.
//
// Threading: any thread; write() never waits. flush() and reopen() wait, for a moment at most.
// Memory: lines_max lines wait to be written; when there are more the oldest are lost.
// Errors: lines that were lost, or could not be written, are counted, and how many it were is said
// when a line can be written again. open() and reopen() say why.
#pragma once

#include <memory>
#include <string>

#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/result.h"

namespace tlog::program {

class FileLogger final : public Logger {
 public:
  struct Options {
    std::string path;  // "": standard error
    LogLevel least = LogLevel::kInfo;
    const Clock* clock = &system_clock();
    std::size_t lines_max = 8192;
  };
  static Result<std::unique_ptr<FileLogger>> open(Options options);
  // What waits is written still, unless that takes too long.
  ~FileLogger() override;
  FileLogger(const FileLogger&) = delete;
  FileLogger& operator=(const FileLogger&) = delete;

  void write(LogLevel level, std::string_view line) override;
  // Waits until all that was said before is written or lost; false: not within the time.
  bool flush(std::uint64_t timeout_ns);
  // From the next line on the file of that name, made when there is none. When that fails the old
  // one is gone on with.
  Status reopen();

 private:
  class Lines;
  FileLogger(Options options, std::unique_ptr<Lines> lines);

  const Options options_;
  std::unique_ptr<Lines> lines_;
};

}  // namespace tlog::program
