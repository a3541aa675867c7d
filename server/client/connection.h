// Connection: one session with one server, from connecting to its end: the control connection
// (Hello, Welcome), and once attach() is called the data connection (Attach, Attached). It never
// connects again: a Link makes another one.
//
// The server's silence is its end: it is asked for signs of life by Echo.
// Threading: loop's thread, the owner's calls included; the owner may destroy it in any of them.
// Errors: on_ended, once, with what happened and whether it was the server that said so.
#pragma once

#include <memory>
#include <string>

#include "server/client/log_client.h"

namespace tlog::client {

class Connection {
 public:
  enum class EndKind {
    kLost,      // nothing was said: the network, a crash, silence, or what cannot be understood
    kRefusal,   // of Hello or Attach
    kGoodbye,   // Disconnect
    kOurChoice  // refused by this side, and not for now only
  };
  struct End {
    EndKind kind = EndKind::kLost;
    Error error{Code::kUnavailable, ""};
  };
  class Owner {
   public:
    virtual void on_welcome(protocol::Welcome welcome) = 0;
    virtual void on_attached() = 0;
    virtual void on_progress(const protocol::Progress& progress) = 0;
    virtual void on_reply(const protocol::Reply& reply) = 0;
    virtual void on_records(Buffer body) = 0;  // answers to ReadLog
    virtual void on_round_trip(std::uint64_t ns) = 0;
    virtual void on_ended(const End& end) = 0;

   protected:
    ~Owner() = default;
  };
  struct Parts {  // borrowed
    io::Loop* loop = nullptr;
    const Clock* clock = nullptr;
    const ClientOptions* options = nullptr;
    Owner* owner = nullptr;
  };

  Connection(Parts parts, std::string address, protocol::Hello hello);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void attach();  // after on_welcome, once
  void send(const protocol::Message& message);
  // Once attached. `done` keeps alive what the pieces are of; it is called also when they were not
  // sent, and possibly after the end of this object.
  void send_records(const std::vector<ConstByteSpan>& pieces, io::IoDone done);
  void set_data_reading(bool on);
  // The last words, which may still be on their way when this object is gone.
  void say_goodbye(Code code, const std::string& reason);

 private:
  void take_control(std::unique_ptr<net::Channel> channel);
  void say_hello();
  void take_data(std::unique_ptr<net::Channel> channel);
  void control_frame(protocol::FrameType type, const Buffer& body);
  void data_frame(protocol::FrameType type, Buffer body);
  void before_welcome(protocol::Message message);
  void in_session(const protocol::Message& message);
  void heard_echo(const protocol::Echo& echo);
  void tick();
  void expect_within(std::uint64_t ns, const char* what);
  void arrived();  // what expect_within() was for
  void end(EndKind kind, Error error);
  void unexpected(const protocol::Message& message, const char* where);
  void drop_channels();

  enum class Phase { kConnecting, kHello, kWelcomed, kAttaching, kAttached, kEnded };
  const Parts parts_;
  const std::string address_;
  protocol::Hello hello_;
  Uuid session_;
  Phase phase_ = Phase::kConnecting;
  std::unique_ptr<net::Channel> control_;
  std::unique_ptr<net::Channel> data_;
  io::TimerId deadline_ = 0;
  io::TimerId tick_ = 0;
  std::uint64_t heard_ns_ = 0;   // monotonic, the last sign of life
  std::uint64_t ticked_ns_ = 0;  // likewise, the last tick()
  std::uint64_t echoes_ = 0;
  std::shared_ptr<int> life_ = std::make_shared<int>();
};

}  // namespace tlog::client
