// File: tests/support/redis_server.h
// Real redis-server processes, each with its own port or Unix socket and directory, ended by pid.
// Threading: one thread, the test's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace tlog::testing {

struct RedisOptions {
  bool unix_socket = false;
  std::string password{};                // --requirepass
  std::vector<std::string> arguments{};  // more of them: {"--maxmemory-policy", "allkeys-lru"}
};

// Starts in the constructor and waits until it answers; throws std::runtime_error when it does not.
class RedisServer {
 public:
  explicit RedisServer(RedisOptions options = {});
  ~RedisServer() { resume(); }

  static bool available() { return has_program("redis-server"); }
  const std::string& address() const { return address_; }  // "127.0.0.1:port" or "unix:/path"
  const std::string& directory() const { return directory_.path(); }
  pid_t pid() const { return process_ ? process_->pid() : -1; }
  bool running() { return process_ && process_->running(); }

  void kill();    // SIGKILL, and waits for the end
  void pause();   // SIGSTOP
  void resume();  // SIGCONT
  void start();   // again, with the same address, directory and arguments
  void restart() {
    kill();
    start();
  }
  // One command on a connection of its own; the reply as text, elements of an array separated by a
  // space. An error reply begins with "-". No connection or no reply within 5 s:
  // std::runtime_error.
  std::string command(const std::vector<std::string>& words);

 private:
  bool answers();

  const RedisOptions options_;
  TempDirectory directory_;
  int port_ = 0;
  std::string address_;
  std::unique_ptr<Process> process_;
};

// `count` servers of the same kind.
class RedisFleet {
 public:
  explicit RedisFleet(unsigned count, const RedisOptions& options = {}) {
    for (unsigned i = 0; i < count; ++i) servers_.push_back(std::make_unique<RedisServer>(options));
  }
  std::size_t size() const { return servers_.size(); }
  RedisServer& operator[](std::size_t index) { return *servers_[index]; }
  std::vector<std::string> addresses() const {
    std::vector<std::string> result;
    for (const auto& server : servers_) result.push_back(server->address());
    return result;
  }

 private:
  std::vector<std::unique_ptr<RedisServer>> servers_;
};

}  // namespace tlog::testing
