// File: tests/bench/resp_pipeline.h
// A bare connection to a redis-protocol server, for measuring what the server itself can do: it
// blocks, copies little, checks only the framing, and shares nothing with what it is compared to.
// Threading: one thread. Errors: std::runtime_error, also when the server is silent for 30 s.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "tests/support/loopback.h"

namespace tlog::bench {

// `kind` is the first byte of the reply: '+', '-', ':', '$' or '*'. `number` is the integer, the
// length of the bulk (-1: nil) or the count of the elements, which are replies of their own.
struct RespAnswer {
  char kind = 0;
  std::int64_t number = 0;
  std::string_view text;  // until the next receive()
};

class RespPipeline {
 public:
  // "127.0.0.1:PORT" or "unix:/path"
  explicit RespPipeline(const std::string& address);

  // Gathers a command; nothing is sent yet.
  void add(std::initializer_list<std::string_view> words);
  // Sends what was gathered. The caller sees to it that the replies that nobody has received yet
  // fit into the socket's buffers, or that the server need not wait for them.
  void send();
  RespAnswer receive();
  // An error reply, or one of another kind, is an error.
  RespAnswer expect(char kind, const char* operation);

 private:
  void fill();
  std::string_view line();

  testing::Descriptor socket_;
  const std::string address_;
  std::string outgoing_;
  std::string incoming_;
  std::size_t filled_ = 0;    // of incoming_
  std::size_t consumed_ = 0;  // of those
};

}  // namespace tlog::bench
