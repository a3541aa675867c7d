// File: tests/support/resp_client.h
// A plain blocking client of a redis-protocol server: slow and simple on purpose, it shares nothing
// with what it tests. Threading: one thread. Errors: std::runtime_error, also when the
// server is silent for too long.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/loopback.h"
#include "tests/support/process.h"

namespace tlog::testing {

class RespClient {
 public:
  explicit RespClient(const std::string& address, Milliseconds silence_max = Milliseconds(5'000));

  // The reply as text, elements of an array separated by a space; nil is "(nil)". An error reply
  // begins with "-".
  std::string command(const std::vector<std::string>& words);
  // In two steps, for pipelines and for what is no command.
  void send(std::string_view text);
  std::string reply();
  // Whatever comes, as it is; "" when the server has closed the connection.
  std::string raw();

  static std::string encode(const std::vector<std::string>& words);

 private:
  void need(std::size_t bytes);
  std::string take(std::size_t bytes);
  std::string line();

  Descriptor socket_;
  std::string buffer_;
};

}  // namespace tlog::testing
