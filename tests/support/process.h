// File: tests/support/process.h
// Other programs, started by a test, bounded in time and ended by pid.
// Threading: one thread. A child is killed when the *thread* that started it ends, so start it from
// the test's own.
#pragma once

#include <sys/types.h>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tlog::testing {

using Milliseconds = std::chrono::milliseconds;

struct ProcessOptions {
  std::vector<std::string> arguments;    // [0] is looked up in PATH
  std::vector<std::string> environment;  // "NAME=value", on top of ours
  std::string directory;                 // "": ours
  std::string output_path;               // standard output goes to this file; "": /dev/null
  std::string error_path;                // standard error likewise; "": the same as output
};

class Process {
 public:
  // Throws std::runtime_error when there cannot be a process; a program that does not exist exits
  // with 127.
  explicit Process(const ProcessOptions& options);
  ~Process();  // kills what still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running() { return !wait(Milliseconds(0)); }
  // The exit code, or 128 + the signal's number; nothing when it still runs after `timeout`.
  std::optional<int> wait(Milliseconds timeout);
  void signal(int number);

 private:
  pid_t pid_ = -1;
  int descriptor_ = -1;  // a pidfd: readable when the process has ended
  std::optional<int> exit_code_;
};

struct CommandResult {
  int exit_code = -1;  // 124: it was still running at the end of its time, and was killed
  std::string output;
  std::string error;
  bool ok() const { return exit_code == 0; }
  std::string text() const;  // all of it, for messages
};

struct CommandOptions {
  std::vector<std::string> environment;
  std::string directory;
  Milliseconds timeout{60'000};
};
CommandResult run_command(const std::vector<std::string>& arguments,
                          const CommandOptions& options = {});

// Runs a program and answers how much memory it had at most, in KiB; nothing when it failed.
std::optional<std::uint64_t> peak_memory_kib(const std::vector<std::string>& arguments);

// Waits for a process that is not a child of ours (one that went into the background): false when
// it still runs.
bool wait_for_end_of(pid_t pid, Milliseconds timeout);

// Asks `condition` again and again until it says yes; false when it has not within `timeout`.
template <class Condition>
bool wait_until(Condition condition, Milliseconds timeout);
void nap();

template <class Condition>
bool wait_until(Condition condition, Milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    nap();
  }
  return true;
}

// Is there such a program? For tests of programs that a machine may lack.
bool has_program(const std::string& name);

}  // namespace tlog::testing
