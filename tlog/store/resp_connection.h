// File: tlog/store/resp_connection.h
// The one connection of a store to its redis-protocol server: connects for ever with back-off,
// checks the server, pipelines requests and matches replies.
//
//   waiting -> connecting -> handshake -> up (or suspect: a writer's, after a restart)
//   any of them -> waiting again, soon; or refused: requests fail at once, and the next attempt
//   comes late, because somebody has to act first
//
// Replies are matched by position only. So a connection that was too slow or said something
// unexpected is closed and never used again: a late reply can then meet no other request.
// Threading: the loop's thread only, but for what RespHealth says.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tlog/store/resp_handshake.h"
#include "tlog/store/resp_health.h"

namespace tlog::store {

using ReplyDone = std::function<void(Result<RespReply>)>;

struct RespRequest {
  std::string head;                    // of the command; the whole of it when there is no payload
  std::vector<ConstByteSpan> payload;  // SET: the value; valid until `done`
  std::vector<std::string> texts;      // what of the payload belongs to the request itself
  std::uint64_t queued_bytes = 0;      // to be taken off the health's figure at the end
  std::uint64_t submitted_ns = 0;
  bool must_count = false;  // fails while the server is suspect
  bool is_sent = false;     // the kernel has taken all of it
  ReplyDone done;
};

class RespConnection;
// Says more to a server that was found usable, with RespConnection::greet(), before any request.
using RespGreeter = std::function<void(RespConnection&, const ServerInfo&)>;

class RespConnection : public std::enable_shared_from_this<RespConnection> {
 public:
  RespConnection(RespStoreOptions options, std::string name, io::Loop& loop, Logger& logger,
                 std::shared_ptr<RespHealth> health);

  // Before open(). Called at each connecting; lives as long as the connection.
  void set_greeter(RespGreeter greeter) { greeter_ = std::move(greeter); }
  // Only from a greeter and the checks of its commands. A check that answers kInvalidArgument
  // refuses the server, any other error drops the connection; both are tried again later. Requests
  // are sent when all checks have passed.
  void greet(const std::string& command, RespCheck check) {
    handshake_->greet(command, std::move(check));
  }

  void open();
  // What is submitted now goes to the connection that is up now, or fails with it.
  bool is_up() const { return state_ == State::kUp; }
  void submit(std::unique_ptr<RespRequest> request);
  // Connects anew when where or as whom has changed; other times hold from the next request on.
  void move_to(RespStoreOptions options);
  void close();  // fails what is under way with kShutdown

  // Error replies pass as errors here; a reply that no command of ours can have drops the
  // connection.
  Error unexpected(const RespReply& reply);
  // More waits for the server than may: it is too slow to be waited for.
  void overflow();

  // Of ServerIdentity.
  void expect(Expectation expectation);
  void enroll(Epoch epoch, ServerIdentity::Listener listener);
  void vouch(std::uint64_t doubt);
  void settle(const std::string& run);
  void readopt();
  void hold(EpochClaim claim);
  void retire();
  void granted(Epoch epoch) { self_.granted = epoch; }
  const RespSelf& self() const { return self_; }
  bool is_doubted() const { return is_doubted_; }
  const std::string& name() const { return name_; }
  // The mark, read after something else, was not what it has to be: all that is under way is void.
  void lost_its_mark(const Error& error);
  // The writer's epoch is closed on the server.
  void fenced(const std::string& by);
  bool is_closed() const { return state_ == State::kClosed; }
  // Another number in each connection: what happened in one says nothing about the next.
  std::uint64_t life() const { return attempt_; }

 private:
  enum class State { kWaiting, kConnecting, kHandshake, kUp, kRefused, kClosed };

  void connect();
  void connected(std::unique_ptr<io::Socket> socket);
  void begin_handshake();
  void greeted(const RespReply& reply);
  void up();
  void notice_restart();
  void look_again();
  void reconnect();
  void tell(ServerEvent event);
  static Error suspect_error();
  StoreState standing() const;  // while it is up

  void received(ConstByteSpan bytes);
  void take_reply(RespReply reply);
  void send(RespRequest& request);
  void finish(std::unique_ptr<RespRequest> request, Result<RespReply> result);
  void fail_all(const Error& first, const Error& others);

  void drop(const Error& reason, StoreState state = StoreState::kDown);
  void refuse(const Error& reason, StoreState state);
  std::deque<std::unique_ptr<RespRequest>> take_what_must_count();
  void disconnect();
  void retry_later();
  void note(LogLevel level, StoreState state, const std::string& condition);
  void arm_deadline();
  void check_deadlines();
  std::optional<std::uint64_t> next_deadline() const;
  Error within(const Error& error) const { return error.within(name_); }

  RespStoreOptions options_;
  std::string name_;
  io::Loop& loop_;
  Logger& logger_;
  const std::shared_ptr<RespHealth> health_;

  State state_ = State::kWaiting;
  std::unique_ptr<io::Socket> socket_;
  std::uint64_t attempt_ = 0;  // tells callbacks of an earlier connection from those of this one
  std::unique_ptr<RespParser> parser_;
  RespGreeter greeter_;
  std::unique_ptr<RespHandshake> handshake_;           // until the connection ends
  std::deque<std::unique_ptr<RespRequest>> requests_;  // up: all of them are sent, in this order
  bool healthy_ = false;                               // the last reply was no error
  bool put_failed_ = false;  // the last one to a put was: that others are answered says nothing
  std::uint64_t progress_ns_ = 0;  // when the server was last heard
  std::uint64_t backoff_ns_ = 0;
  io::TimerId retry_timer_ = 0;
  io::TimerId deadline_timer_ = 0;
  Error last_error_{Code::kUnavailable, "connecting"};
  std::string noted_;   // the last condition that was logged
  std::string warned_;  // the last warning

  RespSelf self_;
  ServerIdentity::Listener listener_;
  bool has_told_ = false;    // something, since enroll()
  bool is_doubted_ = false;  // restarted, and nobody has vouched for it
  std::uint64_t doubt_ = 0;
};

}  // namespace tlog::store
