// The real tlogserver, on loopback, as its user starts it; ended by pid.
// Threading: one thread, the test's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace tlog::testing {

class TlogserverProcess {
 public:
  // The built program; for run_command().
  static const std::string& program();

  // `arguments` without --address: a free port of loopback, unless --unix is among them. The port
  // is kept over restarts. Throws std::runtime_error with what it has said when it does not listen.
  explicit TlogserverProcess(std::vector<std::string> arguments,
                             std::vector<std::string> environment = {});

  const std::string& address() const { return address_; }  // "127.0.0.1:port" or "unix:/path"
  const std::string& pages() const { return pages_; }      // of --profile-address; "": none
  const std::string& logset() const { return logset_; }    // URL of --logset; "": none
  pid_t pid() const { return process_->pid(); }
  void signal(int number) { process_->signal(number); }
  std::optional<int> wait(Milliseconds timeout) { return process_->wait(timeout); }
  // SIGTERM, and its exit code.
  std::optional<int> stop(Milliseconds timeout = Milliseconds(60'000));
  void kill();                 // SIGKILL, and waits for the end
  void start();                // again, with the same address and arguments
  std::string output() const;  // standard output
  std::string log() const;     // standard error

 private:
  bool find_addresses();

  TempDirectory directory_;
  std::vector<std::string> arguments_;
  std::size_t address_at_ = 0;  // of the arguments; 0: it is a Unix socket
  const std::vector<std::string> environment_;
  std::unique_ptr<Process> process_;
  std::string address_;
  std::string pages_;
  std::string logset_;
};

}  // namespace tlog::testing
