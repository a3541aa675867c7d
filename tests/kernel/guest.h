// File: tests/kernel/guest.h
// A virtual machine with Debian's kernel that runs one job of tests/kernel/jobs and ends. Software
// emulation: the same on every machine. Its NBD server is the host's 127.0.0.1 (10.0.2.2 in there).
// Threading: one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tlog/base/result.h"

namespace tlog::kernel {

struct GuestOptions {
  std::string image;      // the directory that build_guest filled
  std::string directory;  // for the console's log and the job's line
  std::string job;
  std::vector<std::string> arguments;
};

class Guest {
 public:
  explicit Guest(GuestOptions options) : options_(std::move(options)) {}
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  Status start();
  // The next line the job prints.
  Result<std::string> line(unsigned timeout_ms);
  // Reads on to a line that begins with this, and answers it. The job's end is an error.
  Result<std::string> line_with(const std::string& beginning, unsigned timeout_ms);
  Status say(const std::string& text);
  // To the job's end: its exit code.
  Result<int> run_to_end(unsigned timeout_ms);
  // The plug is pulled.
  void kill();

  // Everything the job printed, and the end of the kernel's console: for messages.
  std::string transcript() const;

 private:
  std::string console() const { return options_.directory + "/console.log"; }

  const GuestOptions options_;
  pid_t qemu_ = -1;
  int line_fd_ = -1;
  std::string pending_;
  std::string transcript_;
};

}  // namespace tlog::kernel
