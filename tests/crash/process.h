// File: tests/crash/process.h
// Processes of the rigs: started, waited for within a bound, ended by their id.
// Threading: one thread.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "tlog/base/result.h"

namespace tlog::crash {

// The wait status of a child that ends within the time.
Result<int> wait_process(pid_t pid, unsigned timeout_ms);
// What is left in a pipe whose other end is closed.
std::string read_rest(int fd);
std::string wait_status_text(int status);

struct SpawnOptions {
  std::string command;   // of the shell; a server's starts with exec so that its id is the server's
  std::string log_path;  // its output is appended here
  std::string directory;  // to run in; "": ours
};
// Its own process group, and killed when we die.
Result<pid_t> spawn(const SpawnOptions& options);
// Runs it to its end: the last lines of its output are the error's.
Status run_command(const SpawnOptions& options, unsigned timeout_ms);
std::string tail_of(const std::string& path, std::size_t bytes_max = 2000);

// Every "{name}" replaced by its value.
std::string expand(std::string text,
                   const std::vector<std::pair<std::string, std::string>>& values);

// A new directory under $TMPDIR, removed at the end with all its contents.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& prefix);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  std::string path_;
  bool kept_ = false;
};

}  // namespace tlog::crash
