#include "server/net/tls_socket.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "server/net/send_queue.h"
#include "server/net/tls_session.h"
#include "tlog/base/assert.h"
#include "tlog/base/buffer.h"

namespace tlog::net {
namespace {

// Enciphered and not taken by the kernel yet: enough to keep it busy, little enough to let many
// connections do it.
constexpr std::uint64_t kAheadMax = 128 * kKiB;
// For the kernel to take the last bytes of a session.
constexpr std::uint64_t kGoodbyeNs = 1'000'000'000;

class TlsCore;
std::unique_ptr<io::Socket> make_tls_socket(std::shared_ptr<TlsCore> core);

// Outlives the Socket while a callback runs, and until the session's end is on its way.
class TlsCore final : public std::enable_shared_from_this<TlsCore> {
 public:
  TlsCore(io::Loop& loop, std::unique_ptr<io::Socket> socket, std::unique_ptr<TlsSession> session,
          std::string peer)
      : loop_(loop),
        socket_(std::move(socket)),
        session_(std::move(session)),
        peer_(std::move(peer)) {}

  void begin(std::uint64_t timeout_ns, HandshakeDone done);
  void abandon_handshake();

  void start(io::Socket::Handlers handlers);
  void send(std::vector<ConstByteSpan> pieces, io::IoDone done);
  void set_reading(bool on);
  void close();
  io::Socket& socket() { return *socket_; }

 private:
  void on_data(ConstByteSpan bytes);
  void on_socket_closed(const Error& error);
  void keep_rest();
  void shake_hands();
  void resume_later();
  void resume();
  void decipher();
  void encipher_at_turn_end();
  void encipher();
  void flush();
  void taken(std::uint64_t bytes);
  void complete_sends();
  void failed(const Error& error);
  void end(const Error& for_sends);

  io::Loop& loop_;
  const std::unique_ptr<io::Socket> socket_;
  const std::unique_ptr<TlsSession> session_;
  const std::string peer_;
  HandshakeDone handshake_done_;
  io::TimerId timer_ = 0;
  bool secured_ = false;
  bool started_ = false;
  bool reading_ = true;
  bool socket_ended_ = false;
  bool let_go_ = false;  // by who had it, perhaps in a send that an error has just failed
  bool closed_ = false;
  std::optional<Error> early_end_;  // before it was started
  io::Socket::Handlers handlers_;
  std::vector<std::byte> kept_;  // ciphertext that came and is not to be looked at yet
  Buffer plain_;
  SendQueue sends_;
  std::uint64_t taken_ = 0;  // of session_->produced(), by the kernel
  bool encipher_is_due_ = false;
};

void TlsCore::begin(std::uint64_t timeout_ns, HandshakeDone done) {
  handshake_done_ = std::move(done);
  timer_ = loop_.add_timer(timeout_ns, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->timer_ = 0;
    self->failed(Error(
        Code::kTimeout,
        fmt::format("tls handshake: {}: not done in time; does the peer speak TLS?", self->peer_)));
  });
  // Weak: what the socket fails at its end may be the last that holds this.
  socket_->start({.on_data =
                      [weak = weak_from_this()](ConstByteSpan bytes) {
                        if (auto self = weak.lock()) self->on_data(bytes);
                      },
                  .on_closed =
                      [weak = weak_from_this()](const Error& error) {
                        if (auto self = weak.lock()) self->on_socket_closed(error);
                      }});
  // Never from within this call.
  loop_.post([weak = weak_from_this()] {
    auto self = weak.lock();
    if (self && !self->closed_ && !self->secured_) self->shake_hands();
  });
}

void TlsCore::abandon_handshake() {
  handshake_done_ = nullptr;
  if (!secured_) close();
}

void TlsCore::on_data(ConstByteSpan bytes) {
  if (closed_) return;  // only the goodbye is still being sent
  TLOG_ASSERT(kept_.empty());
  session_->give(bytes);
  if (secured_) {
    decipher();
  } else {
    shake_hands();
  }
  keep_rest();
}

// What was given stays only as long as the call that gave it.
void TlsCore::keep_rest() {
  const ConstByteSpan rest = session_->rest();
  kept_.assign(rest.begin(), rest.end());
  session_->give({});
  if (!kept_.empty() && !closed_) socket_->set_reading(false);
}

void TlsCore::shake_hands() {
  const Result<bool> done = session_->handshake();
  if (!done) return failed(done.error());
  flush();
  if (!*done || closed_) return;
  secured_ = true;
  if (timer_ != 0) loop_.cancel_timer(std::exchange(timer_, 0));
  socket_->set_reading(false);  // until the new owner starts
  HandshakeDone tell = std::exchange(handshake_done_, nullptr);
  tell(make_tls_socket(shared_from_this()));
}

void TlsCore::start(io::Socket::Handlers handlers) {
  handlers_ = std::move(handlers);
  started_ = true;
  if (!early_end_) return resume_later();
  loop_.post([self = shared_from_this()] {
    if (!self->let_go_) self->handlers_.on_closed(*self->early_end_);
  });
}

void TlsCore::set_reading(bool on) {
  if (closed_ || reading_ == on) return;
  reading_ = on;
  if (!started_) return;
  if (on) {
    resume_later();
  } else {
    socket_->set_reading(false);
  }
}

void TlsCore::resume_later() {
  loop_.post([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->resume();
  });
}

void TlsCore::resume() {
  if (closed_ || !started_ || !reading_) return;
  const std::vector<std::byte> kept = std::exchange(kept_, {});
  session_->give(kept);
  decipher();
  keep_rest();
  if (!closed_ && reading_ && kept_.empty()) socket_->set_reading(true);
}

void TlsCore::decipher() {
  while (!closed_ && started_ && reading_) {
    io::ReceiveTarget target = handlers_.target ? handlers_.target() : io::ReceiveTarget{};
    if (target.into.empty()) {
      if (plain_.empty()) plain_ = Buffer(kTlsRecordMax);
      target.into = plain_.span();
    }
    const auto got = session_->receive(target.into);
    if (!got) return failed(got.error());
    if (!*got) break;
    if (**got == 0) {
      return failed(Error(Code::kUnavailable,
                          fmt::format("receive: {}: the peer closed the connection", peer_)));
    }
    handlers_.on_data(target.into.first(**got));
  }
  if (!closed_) flush();  // answers of TLS itself
}

void TlsCore::on_socket_closed(const Error& error) {
  socket_ended_ = true;
  if (closed_) return;
  if (error.code() != Code::kUnavailable) return failed(error);
  session_->end_input();
  if (!secured_) return shake_hands();
  decipher();     // finds that the session has not ended
  failed(error);  // unless nobody reads now; what waits to be sent must not wait for that
}

void TlsCore::send(std::vector<ConstByteSpan> pieces, io::IoDone done) {
  if (closed_) {
    loop_.post([done = std::move(done), peer = peer_] {
      done(fail(Code::kShutdown, fmt::format("send: {}: the connection is closed", peer)));
    });
    return;
  }
  sends_.push(std::move(pieces), std::move(done));
  encipher_at_turn_end();
}

// What is sent in one turn shares records and a system call.
void TlsCore::encipher_at_turn_end() {
  if (std::exchange(encipher_is_due_, true)) return;
  loop_.before_sending([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->encipher_is_due_ = false;
    if (!self->closed_) self->encipher();
  });
}

void TlsCore::encipher() {
  auto self = shared_from_this();
  while (sends_.has_more() && session_->produced() - taken_ < kAheadMax) {
    Status sent = session_->send(sends_.next_record(kTlsRecordMax));
    if (!sent) return failed(sent.error());
    sends_.set_output_end(session_->produced());
  }
  flush();
  complete_sends();
}

void TlsCore::flush() {
  if (!session_->has_output()) return;
  auto bytes = std::make_shared<std::vector<std::byte>>(session_->take_output());
  // Keeps this alive: what a closed session has still to say is said.
  socket_->send({ConstByteSpan(*bytes)}, [self = shared_from_this(), bytes](const Status& status) {
    if (!status) return;  // told by on_socket_closed
    const std::uint64_t size = bytes->size();
    self->session_->give_back(std::move(*bytes));
    self->taken(size);
  });
}

void TlsCore::taken(std::uint64_t bytes) {
  taken_ += bytes;
  if (closed_) {
    if (taken_ == session_->produced()) socket_->close();
    return;
  }
  complete_sends();
  if (!closed_ && sends_.has_more()) encipher_at_turn_end();
}

void TlsCore::complete_sends() {
  while (!closed_) {
    const io::IoDone done = sends_.take_done(taken_);
    if (!done) return;
    done({});
  }
}

void TlsCore::close() {
  let_go_ = true;
  if (closed_) return;
  // A send that is cut off must not look like the session's orderly end.
  if (secured_ && !socket_ended_ && sends_.empty()) session_->say_goodbye();
  end(Error(Code::kShutdown, fmt::format("send: {}: the connection was closed", peer_)));
}

void TlsCore::failed(const Error& error) {
  if (closed_) return;
  auto self = shared_from_this();
  end(error);
  if (handshake_done_) {
    HandshakeDone tell = std::exchange(handshake_done_, nullptr);
    tell(fail(error));
  } else if (!started_) {
    early_end_ = error;
  } else if (!let_go_) {
    handlers_.on_closed(error);
  }
}

// The last output (an alert, the session's end) gets a moment to leave; whoever owned this waits
// for nothing.
void TlsCore::end(const Error& for_sends) {
  auto self = shared_from_this();
  closed_ = true;
  if (timer_ != 0) loop_.cancel_timer(std::exchange(timer_, 0));
  kept_ = {};
  const bool has_last_words = !socket_ended_ && session_->has_output();
  sends_.fail_all(for_sends);
  if (!has_last_words) return socket_->close();
  socket_->set_reading(false);
  flush();
  (void)loop_.add_timer(kGoodbyeNs, [weak = weak_from_this()] {
    if (auto late = weak.lock()) late->socket_->close();
  });
}

class TlsSocket final : public io::Socket {
 public:
  explicit TlsSocket(std::shared_ptr<TlsCore> core) : core_(std::move(core)) {}
  ~TlsSocket() override { core_->close(); }
  void start(Handlers handlers) override { core_->start(std::move(handlers)); }
  void send(std::vector<ConstByteSpan> pieces, io::IoDone done) override {
    core_->send(std::move(pieces), std::move(done));
  }
  void set_reading(bool on) override { core_->set_reading(on); }
  void end_when_peer_vanishes(std::uint64_t within_ns) override {
    core_->socket().end_when_peer_vanishes(within_ns);
  }
  void set_quick_ack(bool on) override { core_->socket().set_quick_ack(on); }
  void close() override { core_->close(); }

 private:
  const std::shared_ptr<TlsCore> core_;
};

std::unique_ptr<io::Socket> make_tls_socket(std::shared_ptr<TlsCore> core) {
  return std::make_unique<TlsSocket>(std::move(core));
}

class PendingHandshake final : public Handshake {
 public:
  explicit PendingHandshake(std::shared_ptr<TlsCore> core) : core_(std::move(core)) {}
  ~PendingHandshake() override { core_->abandon_handshake(); }

 private:
  const std::shared_ptr<TlsCore> core_;
};

}  // namespace

Result<std::unique_ptr<Handshake>> begin_handshake(io::Loop& loop,
                                                   std::unique_ptr<io::Socket> socket,
                                                   std::shared_ptr<const Credentials> credentials,
                                                   const HandshakeOptions& options,
                                                   HandshakeDone done) {
  TLOG_ASSIGN(auto session,
              TlsSession::make(std::move(credentials), options.peer, options.expected_name));
  auto core = std::make_shared<TlsCore>(loop, std::move(socket), std::move(session), options.peer);
  core->begin(options.timeout_ns, std::move(done));
  return std::make_unique<PendingHandshake>(std::move(core));
}

}  // namespace tlog::net
