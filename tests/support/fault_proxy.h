// File: tests/support/fault_proxy.h
// FaultProxy: stands between a client and its redis-protocol server and does to their bytes what a
// bad network or a bad server does. One thread with poll(); it knows where commands and replies
// begin and end, so that a fault can hit a chosen one.
//
// What it cannot show: a fault that TCP itself excludes (lost or swapped bytes inside a
// connection). Threading: any thread; each call has taken effect when it returns.
// Errors: std::runtime_error when there is no such address; a server that is gone closes the
// client's connection.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback.h"
#include "tests/support/process.h"
#include "tlog/base/mutex.h"

namespace tlog::testing {

// What happens to everything that passes, until it is changed.
struct Faults {
  // Connections are accepted, and nothing passes in either direction. What has been sent stays on
  // its way and goes on when the fault is taken away, as after a broken link.
  bool black_hole = false;
  bool refuse = false;  // new connections are refused
  Milliseconds request_delay{0};
  Milliseconds reply_delay{0};
  std::uint64_t bytes_per_second = 0;  // of each direction of each connection; 0: no limit
  std::size_t piece_bytes = 0;         // so many bytes per send, 1: each by itself; 0: no limit
};

// What happens to one command or one reply.
struct MessageFault {
  enum class Kind {
    kCut,        // the connection ends after `bytes` of it; a shorter one passes
    kReplace,    // `text` comes instead
    kFollow,     // `text` comes right after it
    kDuplicate,  // it comes twice
  };
  Kind kind = Kind::kCut;
  bool of_reply = false;
  std::string command;  // the next message of this command; "": of any
  std::uint64_t bytes = 0;
  std::string text{};

  static MessageFault cut_request(std::string command, std::uint64_t bytes) {
    return {.kind = Kind::kCut, .command = std::move(command), .bytes = bytes};
  }
  static MessageFault cut_reply(std::string command, std::uint64_t bytes) {
    return {.kind = Kind::kCut, .of_reply = true, .command = std::move(command), .bytes = bytes};
  }
  static MessageFault duplicate_reply(std::string command) {
    return {.kind = Kind::kDuplicate, .of_reply = true, .command = std::move(command)};
  }
  static MessageFault replace_reply(std::string command, std::string text) {
    return {.kind = Kind::kReplace,
            .of_reply = true,
            .command = std::move(command),
            .text = std::move(text)};
  }
  static MessageFault extra_reply(std::string command, std::string text) {
    return {.kind = Kind::kFollow,
            .of_reply = true,
            .command = std::move(command),
            .text = std::move(text)};
  }
};

struct ProxyCounts {
  std::uint64_t connections = 0;       // accepted so far
  std::uint64_t open_connections = 0;  // now
  std::uint64_t request_bytes = 0;     // passed on
  std::uint64_t reply_bytes = 0;
  std::uint64_t faults = 0;  // MessageFaults that have happened
};

// What is spoken through it. Of what it does not know it passes the bytes as they come: there are
// no commands to count or to hit.
enum class ProxySpeech { kRedis, kOther };

class FaultProxy {
 public:
  explicit FaultProxy(std::string upstream, const std::string& listen = "127.0.0.1:0",
                      ProxySpeech speech = ProxySpeech::kRedis);
  ~FaultProxy();

  const std::string& address() const { return address_; }
  void set(const Faults& faults);
  void heal() { set({}); }  // also takes away a MessageFault that has not happened
  void next(const MessageFault& fault);
  void close_connections();
  void reset_connections();  // RST; Unix sockets have none, they are closed

  ProxyCounts counts();
  // How often each command has been passed on: {"SET", 3}, {"CONFIG GET", 1}.
  std::map<std::string, std::uint64_t> commands();

 private:
  class Worker;
  struct Connection;
  void call(const std::function<void(Worker&)>& task);
  void run(Worker& worker);

  std::string address_;
  Descriptor wake_;
  Mutex mutex_;
  std::vector<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<Worker> worker_;  // of the thread
  std::thread thread_;
};

}  // namespace tlog::testing
