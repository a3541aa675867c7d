// A connected stream socket on a loop. Sends of one turn leave together in one sendmsg() at its
// end, made by the loop's thread itself: the kernel never holds on to the caller's pieces, so
// close() may hand them back at once.
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <algorithm>
#include <deque>
#include <optional>

#include "tlog/base/assert.h"
#include "tlog/base/buffer.h"
#include "tlog/io/connector.h"

namespace tlog::io {
namespace {

constexpr std::size_t kReceiveBytes = 64 * kKiB;

// Outlives the Socket for as long as the loop has an operation of it under way.
class SocketCore final : public LoopClient,
                         public TurnEnd,
                         public std::enable_shared_from_this<SocketCore> {
 public:
  SocketCore(LoopBase& loop, int descriptor, std::string address)
      : loop_(loop),
        descriptor_(descriptor),
        address_(std::move(address)),
        received_(kReceiveBytes) {
    loop_.add_client(*this);
  }
  ~SocketCore() override {
    if (!closed_) loop_.remove_client(*this);
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  void start(Socket::Handlers handlers);
  void send(std::vector<ConstByteSpan> pieces, IoDone done);
  void set_reading(bool on);
  void end_when_peer_vanishes(std::uint64_t within_ns);
  void set_quick_ack(bool on) {
    quick_ack_ = on;
    if (!closed_) rearm_quick_ack();
  }
  void close() {
    let_go_ = true;
    shut(Error(Code::kShutdown, fmt::format("send: {}: the connection was closed", address_)));
  }
  void loop_stops() override {
    failed(Error(Code::kShutdown, fmt::format("socket: {}: the loop has been stopped", address_)));
  }
  void turn_ends() override;

 private:
  struct Send {
    std::vector<ConstByteSpan> pieces;
    IoDone done;
  };

  void receive();
  void on_received(int result);
  void deliver(int result);
  void take_held();
  void watch_peer(std::uint64_t within_ns);
  void flush();
  ssize_t send_some();
  void take_sent(std::size_t bytes);
  void await_writable();
  void rearm_quick_ack();
  void shut(const Error& reason);
  void failed(const Error& reason);
  void release_descriptor();
  Error error(std::string_view operation, int error_number) const {
    return os_error(error_number, fmt::format("{}: {}", operation, address_));
  }

  LoopBase& loop_;
  int descriptor_;
  const std::string address_;
  Socket::Handlers handlers_;
  Buffer received_;
  ReceiveTarget target_;  // of the receive under way, or of what is held
  bool reading_ = true;
  std::optional<int> held_;  // what a receive gave while nobody reads
  TimerId watch_ = 0;
  std::deque<Send> sends_;
  std::size_t first_piece_ = 0;  // of the first send: the pieces before it have been taken
  std::size_t first_byte_ = 0;   // of that piece
  LoopBase::Number receiving_ = 0;
  LoopBase::Number awaiting_ = 0;
  bool flush_is_due_ = false;
  bool quick_ack_ = false;
  bool let_go_ = false;  // by who had it, perhaps in a send that an error has just failed
  bool closed_ = false;
};

void SocketCore::start(Socket::Handlers handlers) {
  TLOG_ASSERT(receiving_ == 0);
  handlers_ = std::move(handlers);
  if (closed_) {  // the loop has stopped since the connection was made
    loop_.post([self = shared_from_this()] {
      if (self->let_go_) return;
      self->handlers_.on_closed(Error(
          Code::kShutdown, fmt::format("socket: {}: the loop has been stopped", self->address_)));
    });
    return;
  }
  receive();
}

void SocketCore::receive() {
  if (!reading_) return;
  target_ = handlers_.target ? handlers_.target() : ReceiveTarget{};
  if (target_.into.empty()) target_ = {received_.span(), nullptr};
  receiving_ = loop_.receive(descriptor_, target_.into, [self = shared_from_this()](int result) {
    self->receiving_ = 0;
    self->on_received(result);
  });
}

void SocketCore::on_received(int result) {
  if (closed_) return release_descriptor();
  if (result == -EINTR || result == -EAGAIN || result == -ECANCELED) return receive();
  if (!reading_) {
    held_ = result;  // it was there before it could be cancelled
    return;
  }
  deliver(result);
}

void SocketCore::deliver(int result) {
  if (result < 0) return failed(error("receive", -result));
  if (result == 0) {
    return failed(Error(Code::kUnavailable,
                        fmt::format("receive: {}: the peer closed the connection", address_)));
  }
  if (quick_ack_) rearm_quick_ack();
  const ReceiveTarget target = std::move(target_);  // kept while the handler looks at it
  handlers_.on_data(target.into.first(static_cast<std::size_t>(result)));
  if (closed_) return release_descriptor();
  if (receiving_ == 0) receive();  // not when the handler has stopped and begun again
}

void SocketCore::set_reading(bool on) {
  if (reading_ == on) return;
  reading_ = on;
  if (closed_ || !handlers_.on_data) return;
  if (!on) {
    if (receiving_ != 0) loop_.cancel(receiving_);
    return;
  }
  // Never from within this call, which may be one of a handler.
  loop_.post([self = shared_from_this()] { self->take_held(); });
}

void SocketCore::take_held() {
  if (closed_ || !reading_ || receiving_ != 0) return;
  if (!held_) return receive();
  const int result = *held_;
  held_.reset();
  deliver(result);
}

void SocketCore::rearm_quick_ack() {
  int on = quick_ack_ ? 1 : 0;
  (void)::setsockopt(descriptor_, IPPROTO_TCP, TCP_QUICKACK, &on,
                     sizeof on);  // Unix sockets have none
}

// An idle connection is asked by the kernel (keepalive). One with something under way is not, and
// TCP_USER_TIMEOUT would also end a peer that is there and does not read for that long. So it is
// looked whether the kernel's repetitions are answered.
void SocketCore::end_when_peer_vanishes(std::uint64_t within_ns) {
  if (closed_) return;
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const int on = 1;
  const int idle = static_cast<int>(std::max<std::uint64_t>(within_ns / 3 / kSecond, 1));
  const int interval = static_cast<int>(std::max<std::uint64_t>(within_ns / 6 / kSecond, 1));
  const int count = 4;
  // Unix sockets have none of these, and need none.
  if (::setsockopt(descriptor_, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) != 0) return;
  (void)::setsockopt(descriptor_, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  (void)::setsockopt(descriptor_, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  (void)::setsockopt(descriptor_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (watch_ != 0) loop_.cancel_timer(watch_);
  watch_peer(within_ns);
}

void SocketCore::watch_peer(std::uint64_t within_ns) {
  watch_ = loop_.add_timer(within_ns / 3, [weak = weak_from_this(), within_ns] {
    auto self = weak.lock();
    if (!self || self->closed_) return;
    tcp_info info{};
    socklen_t length = sizeof info;
    constexpr std::uint64_t kMs = 1'000'000;
    constexpr unsigned kUnanswered = 2;  // one may be on its way
    if (::getsockopt(self->descriptor_, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
        info.tcpi_last_ack_recv >= within_ns / kMs &&
        (info.tcpi_retransmits >= kUnanswered || info.tcpi_probes >= kUnanswered)) {
      return self->failed(
          Error(Code::kTimeout, fmt::format("socket: {}: no sign of the peer for {} s; is its "
                                            "machine there, and the network in between?",
                                            self->address_, info.tcpi_last_ack_recv / 1000)));
    }
    self->watch_peer(within_ns);
  });
}

void SocketCore::send(std::vector<ConstByteSpan> pieces, IoDone done) {
  if (closed_) {
    loop_.post([done = std::move(done), address = address_] {
      done(fail(Code::kShutdown, fmt::format("send: {}: the connection is closed", address)));
    });
    return;
  }
  std::erase_if(pieces, [](ConstByteSpan piece) { return piece.empty(); });
  sends_.push_back({std::move(pieces), std::move(done)});
  if (flush_is_due_ || awaiting_ != 0) return;
  flush_is_due_ = true;
  loop_.at_turn_end(shared_from_this());
}

void SocketCore::turn_ends() {
  flush_is_due_ = false;
  if (!closed_ && awaiting_ == 0) flush();
}

void SocketCore::flush() {
  while (!closed_ && !sends_.empty()) {
    ssize_t sent = send_some();
    if (sent >= 0) {
      take_sent(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return await_writable();
    } else if (errno != EINTR) {
      return failed(error("send", errno));
    }
  }
}

ssize_t SocketCore::send_some() {
  iovec vectors[256];
  std::size_t count = 0;
  std::size_t piece = first_piece_;
  std::size_t skip = first_byte_;
  for (const Send& send : sends_) {
    for (; piece < send.pieces.size() && count < std::size(vectors); ++piece) {
      ConstByteSpan bytes = send.pieces[piece].subspan(skip);
      skip = 0;
      vectors[count++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
    }
    piece = 0;
    if (count == std::size(vectors)) break;
  }
  if (count == 0) return 0;  // sends of nothing: done in their turn
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  return ::sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void SocketCore::take_sent(std::size_t bytes) {
  while (!closed_ && !sends_.empty()) {
    const auto& pieces = sends_.front().pieces;
    while (first_piece_ < pieces.size() && bytes >= pieces[first_piece_].size() - first_byte_) {
      bytes -= pieces[first_piece_++].size() - first_byte_;
      first_byte_ = 0;
    }
    if (first_piece_ < pieces.size()) {
      first_byte_ += bytes;
      return;
    }
    first_piece_ = 0;
    IoDone done = std::move(sends_.front().done);
    sends_.pop_front();
    done({});
    // A following send without bytes is done too; one with bytes stops the loop above with 0 left.
  }
}

void SocketCore::await_writable() {
  awaiting_ = loop_.wait_writable(descriptor_, [self = shared_from_this()](int) {
    self->awaiting_ = 0;
    if (self->closed_) return self->release_descriptor();
    self->flush();  // an error of the socket shows itself there
  });
}

void SocketCore::shut(const Error& reason) {
  if (closed_) return;
  auto self = shared_from_this();  // a callback may destroy the Socket
  closed_ = true;
  loop_.remove_client(*this);
  (void)::shutdown(descriptor_, SHUT_RDWR);
  if (receiving_ != 0) loop_.cancel(receiving_);
  if (awaiting_ != 0) loop_.cancel(awaiting_);
  if (watch_ != 0) loop_.cancel_timer(watch_);
  std::deque<Send> sends = std::move(sends_);
  sends_.clear();
  for (Send& send : sends) send.done(fail(reason));
  release_descriptor();
}

void SocketCore::failed(const Error& reason) {
  if (closed_) return;
  auto self = shared_from_this();
  shut(reason);
  if (!let_go_ && handlers_.on_closed) handlers_.on_closed(reason);
}

void SocketCore::release_descriptor() {
  if (receiving_ != 0 || awaiting_ != 0 || descriptor_ < 0) return;
  ::close(descriptor_);
  descriptor_ = -1;
}

class StreamSocket final : public Socket {
 public:
  StreamSocket(LoopBase& loop, int descriptor, std::string address)
      : core_(std::make_shared<SocketCore>(loop, descriptor, std::move(address))) {}
  ~StreamSocket() override { core_->close(); }
  void start(Handlers handlers) override { core_->start(std::move(handlers)); }
  void send(std::vector<ConstByteSpan> pieces, IoDone done) override {
    core_->send(std::move(pieces), std::move(done));
  }
  void set_reading(bool on) override { core_->set_reading(on); }
  void end_when_peer_vanishes(std::uint64_t within_ns) override {
    core_->end_when_peer_vanishes(within_ns);
  }
  void set_quick_ack(bool on) override { core_->set_quick_ack(on); }
  void close() override { core_->close(); }

 private:
  const std::shared_ptr<SocketCore> core_;
};

}  // namespace

std::unique_ptr<Socket> make_stream_socket(LoopBase& loop, int descriptor, std::string address) {
  return std::make_unique<StreamSocket>(loop, descriptor, std::move(address));
}

}  // namespace tlog::io
