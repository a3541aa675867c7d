// File: tlog/store/resp_connection.h
// The one connection of a store to its redis-protocol server: connects for ever with back-off,
// checks the server, pipelines requests and matches replies.
//
// Replies are matched by position only. So a connection that was too slow or said something
// unexpected is closed and never used again: a late reply can then meet no other request.
// Threading: the loop's thread only, but for what RespHealth says.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/store/resp_protocol.h"
#include "tlog/store/stores.h"

namespace tlog::store {

// What people may know of the store. Any thread.
class RespHealth {
 public:
  void set(bool usable, std::string condition);
  void copy_to(StoreStatus& status) const;

  std::atomic<std::uint64_t> put_bytes = 0;
  std::atomic<std::uint64_t> get_bytes = 0;
  std::atomic<std::uint64_t> errors = 0;
  std::atomic<std::uint64_t> queued_bytes = 0;

 private:
  mutable Mutex mutex_;
  bool usable_ GUARDED_BY(mutex_) = false;
  std::string condition_ GUARDED_BY(mutex_) = "connecting";
};

using ReplyDone = std::function<void(Result<RespReply>)>;

struct RespRequest {
  std::string head;                    // of the command; the whole of it when there is no payload
  std::vector<ConstByteSpan> payload;  // SET: the value; valid until `done`
  std::vector<std::string> texts;      // what of the payload belongs to the request itself
  std::uint64_t queued_bytes = 0;      // to be taken off the health's figure at the end
  std::uint64_t submitted_ns = 0;
  bool is_sent = false;  // the kernel has taken all of it
  ReplyDone done;
};

class RespConnection;
// Says more to a server that was found usable, with RespConnection::greet(), before any request.
using RespGreeter = std::function<void(RespConnection&, const ServerInfo&)>;
using RespCheck = std::function<Status(const RespReply&)>;

class RespConnection : public std::enable_shared_from_this<RespConnection> {
 public:
  RespConnection(RespStoreOptions options, std::string name, io::Loop& loop, Logger& logger,
                 std::shared_ptr<RespHealth> health);

  // Before open(). Called at each connecting; lives as long as the connection.
  void set_greeter(RespGreeter greeter) { greeter_ = std::move(greeter); }
  // Only from a greeter and the checks of its commands. A check that answers kInvalidArgument
  // refuses the server, any other error drops the connection; both are tried again later. Requests
  // are sent when all checks have passed.
  void greet(std::string command, RespCheck check) { say(std::move(command), std::move(check)); }

  void open();
  // What is submitted now goes to the connection that is up now, or fails with it.
  bool is_up() const { return state_ == State::kUp; }
  void submit(std::unique_ptr<RespRequest> request);
  void close();  // fails what is under way with kShutdown

  // Error replies pass as errors here; a reply that no command of ours can have drops the
  // connection.
  Error unexpected(const RespReply& reply);

 private:
  enum class State { kWaiting, kConnecting, kHandshake, kUp, kRefused, kClosed };

  void connect();
  void connected(std::unique_ptr<io::Socket> socket);
  void begin_handshake();
  void say(std::string command, RespCheck check);
  Status check_info(const RespReply& reply);
  Status check_policy(const RespReply& reply);
  void greeted(const RespReply& reply);
  void up();

  void received(ConstByteSpan bytes);
  void take_reply(RespReply reply);
  void send(RespRequest& request);
  void finish(std::unique_ptr<RespRequest> request, Result<RespReply> result);
  void fail_all(const Error& first, const Error& others);

  void drop(const Error& reason);
  void refuse(const Error& reason);
  void disconnect();
  void retry_later();
  void note(LogLevel level, bool usable, const std::string& condition);
  void arm_deadline();
  void check_deadlines();
  std::optional<std::uint64_t> next_deadline() const;
  Error within(const Error& error) const { return error.within(name_); }

  const RespStoreOptions options_;
  const std::string name_;
  io::Loop& loop_;
  Logger& logger_;
  const std::shared_ptr<RespHealth> health_;

  State state_ = State::kWaiting;
  std::unique_ptr<io::Socket> socket_;
  std::uint64_t attempt_ = 0;  // tells callbacks of an earlier connection from those of this one
  std::unique_ptr<RespParser> parser_;
  RespGreeter greeter_;
  std::deque<RespCheck> greetings_;                    // checks of the handshake's replies
  std::deque<std::string> sayings_;                    // its commands, until the connection ends
  std::deque<std::unique_ptr<RespRequest>> requests_;  // up: all of them are sent, in this order
  bool healthy_ = false;                               // the last reply was no error
  std::uint64_t progress_ns_ = 0;                      // when the server was last heard
  std::uint64_t backoff_ns_ = 0;
  io::TimerId retry_timer_ = 0;
  io::TimerId deadline_timer_ = 0;
  Error last_error_{Code::kUnavailable, "connecting"};
  std::string noted_;  // the last condition that was logged
};

}  // namespace tlog::store
