// File: tests/crash/server.h
// A server under test, any program that serves NBD on a Unix socket: started from a command
// template, killed, restarted. In the template {socket} is the socket's path and {dir} a directory
// of the test's own. Threading: one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tests/crash/model.h"
#include "tlog/base/result.h"

namespace tlog::crash {

struct ServerOptions {
  std::string command;      // in the foreground; its process is the one that is killed
  std::string export_name;  // may be ""
  std::string directory;    // {dir}; also holds the socket and server.log
  bool tcp = false;         // it listens on {port} instead of {socket}
  unsigned start_timeout_ms = 30'000;
};

class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();  // kills
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Starts it and waits until the socket accepts a connection and serves the export.
  Status start();
  // Only begins: start() without the waiting.
  Status launch();
  // SIGKILL, to the whole group, and waits for the end.
  Status kill();
  // SIGTERM, and waits for the end.
  Status terminate(unsigned timeout_ms);
  // Whether it is still running; if not, how it ended.
  bool alive();
  // Waits so long for it to end by itself.
  bool ends_within(unsigned timeout_ms);
  const std::string& last_end() const { return last_end_; }

  std::string uri() const;
  std::string socket() const { return options_.directory + "/nbd.sock"; }
  std::string log_path() const { return options_.directory + "/server.log"; }
  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  double last_start_seconds() const { return last_start_seconds_; }

 private:
  std::string command() const;
  Status end(int signal_number, unsigned timeout_ms);

  const ServerOptions options_;
  const std::uint16_t port_;  // 0 unless tcp
  pid_t pid_ = -1;
  std::string last_end_;
  double last_start_seconds_ = 0;
};

// What every cell of the export shows, and the export's bytes as they are if `bytes` is given.
Result<Image> read_image(const std::string& uri, std::string* bytes = nullptr);
Result<std::uint64_t> export_bytes(const std::string& uri);
Image image_of(ConstByteSpan bytes);

}  // namespace tlog::crash
