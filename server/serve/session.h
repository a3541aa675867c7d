// Session: one client: its control connection, its data connection when it has attached one, and
// the log that it writes, or the view of the one it reads.
//
// Threading: loop thread. Memory: records are held by the log alone; while that is full, or holds
// too much of what all may hold, nothing is received on the data connection.
// Lifetime: by shared_ptr, which the reception holds until `on_ended`. Whatever ends it ends both
// connections; the log lingers.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "server/serve/connection.h"
#include "server/serve/log_sending.h"
#include "server/serve/log_view.h"
#include "server/serve/progress_teller.h"
#include "server/serve/registry.h"

namespace tlog::server {

class Session final : public LogUser, public std::enable_shared_from_this<Session> {
 public:
  struct Start {
    std::shared_ptr<Core> core;
    std::shared_ptr<Registry> registry;
    std::shared_ptr<Connection> control;
    Uuid token;
    Wish wish;
    std::shared_ptr<HostedLog> hosted;  // a writer's; or
    std::shared_ptr<LogView> view;      // a reader's
    std::function<void(const Uuid& token)> on_ended;
  };
  explicit Session(Start start);

  void begin();  // says Welcome
  void attach(std::shared_ptr<Connection> data);
  // Says why, ends the connections, lets the log go.
  void end(const Error& why);
  // A server that stops: nothing more is received on the data connection.
  void stop_receiving();
  SessionStatus status() const;
  bool is_writer() const { return wish_.hello.role == protocol::Role::kWriter; }

  void on_received() override { tell_progress(false); }
  void on_stored() override;
  void on_synced() override { tell_progress(false); }
  void on_room() override { pause_or_go_on(); }
  void on_taken_away(const Error& why) override;

 private:
  // Null when the log is being closed.
  ServedLog* log() const { return hosted_ ? hosted_->log.get() : nullptr; }
  protocol::Welcome welcome() const;
  protocol::Progress progress() const;
  void tell_progress(bool now);
  void client_left(const std::string& reason);
  void note_end(const Error& why);
  void close(bool for_good);

  // Of the control connection.
  void said(protocol::FrameType type, Buffer body);
  void handle(const protocol::ForceFlush& request);
  void handle(const protocol::WaitSlaveSync& request);
  void handle(const protocol::StatusRequest& request);
  void handle(const protocol::ReadLog& request) { sending_->request(request); }
  void handle(const protocol::Echo& echo);
  void handle(const protocol::Disconnect& goodbye) { client_left(goodbye.reason); }
  template <class Unexpected>
  void handle(const Unexpected& message);
  void reply(std::uint64_t id, Result<Sequence> result);
  void reply_stored();
  Result<HostedLog*> followed_log() const;
  void force_arrived();

  // Of the data connection.
  void streamed(protocol::FrameType type, Buffer body);
  Status take(Buffer body);
  void pause_or_go_on();
  void data_lost(const Error& error);
  void taken(Buffer body);
  void delay(Buffer body);
  void arm_delay();
  void take_delayed(bool all);
  LogSending::Source source();
  Result<LogSending::Source::Read> begin_reading();

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Registry> registry_;
  const std::shared_ptr<Connection> control_;
  const Uuid token_;
  const Wish wish_;
  std::shared_ptr<HostedLog> hosted_;
  std::shared_ptr<LogView> view_;
  const std::function<void(const Uuid&)> on_ended_;

  std::shared_ptr<Connection> data_;
  std::shared_ptr<ProgressTeller> teller_;
  std::shared_ptr<LogSending> sending_;
  Epoch epoch_ = 0;
  protocol::Progress welcomed_;  // what Welcome said: less is never told
  // Up to where its client has sent, or need not: more is not told, though a session of the same
  // client before this one may have sent it, and its hashes have been verified since.
  Sequence reached_ = 0;
  std::uint64_t batches_ = 0;  // of this data connection
  // With a replication delay: what has come and is not taken yet.
  struct Delayed {
    std::uint64_t due_ns = 0;  // monotonic
    Buffer body;
  };
  std::deque<Delayed> delayed_;
  std::uint64_t delayed_bytes_ = 0;
  io::TimerId delay_timer_ = 0;
  bool paused_ = false;
  bool stops_receiving_ = false;
  bool ended_ = false;
  std::multimap<Sequence, std::uint64_t> flushes_;  // ids of ForceFlush, by what they wait for
  Sequence forced_ = 0;                             // the greatest of them that has come
  unsigned waits_ = 0;                              // WaitSlaveSync that are not answered yet
  std::uint64_t records_ = 0;
  std::uint64_t record_bytes_ = 0;
};

}  // namespace tlog::server
