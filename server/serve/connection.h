// Connection: one channel of a client, and what keeps a rude one from costing more than itself:
// what is sent is bounded, and a peer that takes nothing of it for too long is cut off.
//
// Threading: loop thread. Memory: while much is queued nothing more is received, so that who asks
// without reading the answers waits for himself.
// Lifetime: by shared_ptr; while goodbye is said it holds itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/net/channel.h"
#include "server/protocol/message.h"
#include "server/serve/core.h"

namespace tlog::server {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Handlers {
    std::function<void(protocol::FrameType, Buffer)> on_frame;
    // The peer's end, an error, or that it took nothing for too long. Once, and not after end()
    // or close().
    std::function<void(const Error&)> on_closed;
  };
  Connection(std::shared_ptr<Core> core, std::unique_ptr<net::Channel> channel);
  ~Connection() { forget(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start(Handlers handlers);
  void set_handlers(Handlers handlers) { handlers_ = std::move(handlers); }

  // `done`: the kernel has taken it, or never will.
  void say(const protocol::Message& message, io::IoDone done = {});
  void send_records(Buffer body, io::IoDone done);
  // Says it as the last message, and closes when the peer has closed or a moment has passed: were
  // it closed at once, what the peer still sends would make its kernel forget the message.
  // `done`: it was taken, or never will be.
  void end(const protocol::Message& last, io::Task done = {});
  void close();
  bool is_open() const { return state_ == State::kOpen; }

  void set_limits(const net::FrameLimits& limits) {
    if (channel_) channel_->set_limits(limits);
  }
  void set_reading(bool on);
  const std::string& peer() const { return peer_; }
  bool is_private() const { return is_private_; }
  bool is_known() const { return is_known_; }

 private:
  enum class State { kOpen, kEnding, kClosed };
  void send(protocol::FrameType type, Buffer body, io::IoDone done);
  void sent(std::size_t bytes);
  void received(protocol::FrameType type, Buffer body);
  void lost(const Error& error);
  void watch(std::uint64_t after_ns);
  void look();
  void apply_reading();
  void forget();

  const std::shared_ptr<Core> core_;
  std::unique_ptr<net::Channel> channel_;
  const std::string peer_;
  const bool is_private_;
  const bool is_known_;
  Handlers handlers_;
  std::shared_ptr<Connection> self_;  // while it is ending
  State state_ = State::kOpen;
  bool wants_reading_ = true;
  bool choked_ = false;
  bool reading_ = true;
  std::size_t queued_bytes_ = 0;  // of messages: records are bounded by who sends them
  unsigned queued_ = 0;
  std::uint64_t taken_ns_ = 0;  // when the peer took something last, or had nothing to take
  io::TimerId watch_ = 0;
};

}  // namespace tlog::server
