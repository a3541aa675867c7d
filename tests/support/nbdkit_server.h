// File: tests/support/nbdkit_server.h
// A real nbdkit with a plugin (ours unless told otherwise), in the foreground on a Unix socket.
// Threading: one thread, see Process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tlog/base/result.h"

namespace tlog::testing {

// Where the build has put tlogdisk.so (the environment variable TLOG_TEST_PLUGIN wins).
std::string plugin_path();
// What a program needs to load code that was built with sanitizers, as "NAME=value".
std::vector<std::string> sanitizer_environment();

struct NbdkitOptions {
  std::string directory;               // for the socket, the pid file and the log
  std::string name = "nbd";            // of those files
  std::vector<std::string> arguments;  // nbdkit's own: -r, -t, --filter=...
  std::string plugin = plugin_path();
  std::vector<std::string> parameters;  // of plugin and filters: config=...
  std::vector<std::string> environment;
  Milliseconds ready_timeout{30'000};
};

class NbdkitServer {
 public:
  // Answers when clients can connect. The error holds what nbdkit printed.
  static Result<std::unique_ptr<NbdkitServer>> start(const NbdkitOptions& options);

  const std::string& socket_path() const { return socket_path_; }
  std::string uri(const std::string& export_name = "") const;  // nbd+unix:///NAME?socket=PATH
  std::string log() const;                                     // what it has printed so far

  Process& process() { return *process_; }
  // SIGKILL, and waits: what a crash leaves behind is there when this returns.
  void kill();
  // SIGTERM, and waits: the exit code; 124 (and SIGKILL) when it has not ended in time.
  int stop(Milliseconds timeout = Milliseconds(30'000));

 private:
  NbdkitServer() = default;

  std::string socket_path_;
  std::string pid_path_;
  std::string log_path_;
  std::unique_ptr<Process> process_;
};

// nbdkit with these arguments until it ends by itself: for --dump-plugin, and for starts that must
// fail.
CommandResult run_nbdkit(const std::vector<std::string>& arguments,
                         const CommandOptions& options = {});

}  // namespace tlog::testing
