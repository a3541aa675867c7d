// The server's side: connections that are accepted, and frame channels over them.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "server/net/channel.h"
#include "server/net/frame_channel.h"
#include "server/net/tls_socket.h"
#include "tlog/base/assert.h"
#include "tlog/io/address.h"

namespace tlog::net {
namespace {

using OnChannel = std::function<void(std::unique_ptr<Channel>)>;

// Shared with the listener's handlers, which may run once more while the Acceptor goes.
class AcceptorCore : public std::enable_shared_from_this<AcceptorCore> {
 public:
  AcceptorCore(io::Loop& loop, AcceptorOptions options, Logger& logger, OnChannel on_channel)
      : loop_(loop),
        options_(std::move(options)),
        credentials_(credentials_for(TlsSide::kServer, options_.tls)),
        logger_(logger),
        on_channel_(std::move(on_channel)) {}

  Status listen();
  void close() {
    listener_.reset();
    handshakes_.clear();
  }
  const std::string& address() const { return listener_->address(); }
  void set_tls(std::shared_ptr<const Tls> tls) {
    TLOG_ASSERT(credentials_ && tls);
    credentials_ = credentials_for(TlsSide::kServer, std::move(tls));
  }

 private:
  void accepted(io::Accepted connection);
  void secure(io::Accepted connection);
  void secured(std::uint64_t number, const std::string& peer, bool is_verified,
               Result<std::unique_ptr<io::Socket>> socket);
  void refuse(const Error& error);
  void deliver(std::unique_ptr<io::Socket> socket, std::string peer, bool is_verified);

  io::Loop& loop_;
  const AcceptorOptions options_;
  std::shared_ptr<const Credentials> credentials_;  // null: plain
  Logger& logger_;
  const OnChannel on_channel_;
  std::unique_ptr<io::Listener> listener_;
  std::map<std::uint64_t, std::unique_ptr<Handshake>> handshakes_;  // the oldest first
  std::uint64_t last_number_ = 0;
};

Status AcceptorCore::listen() {
  auto listener = loop_.listen(
      {.address = options_.address},
      {.on_accepted =
           [self = weak_from_this()](io::Accepted connection) {
             if (auto core = self.lock()) core->accepted(std::move(connection));
           },
       .on_trouble =
           [&logger = logger_](const Error& error) {
             logger.warning(fmt::format("event=accept_failed reason=\"{}\"", error.message()));
           }});
  if (!listener) return fail(std::move(listener).error());
  listener_ = std::move(*listener);
  return {};
}

void AcceptorCore::accepted(io::Accepted connection) {
  if (credentials_) return secure(std::move(connection));
  deliver(std::move(connection.socket), std::move(connection.peer), /*is_verified=*/false);
}

void AcceptorCore::secure(io::Accepted connection) {
  // Who has taken longest is least likely to be a client.
  if (handshakes_.size() >= std::max(options_.handshakes_max, 1U))
    handshakes_.erase(handshakes_.begin());
  const std::uint64_t number = ++last_number_;
  const std::string peer = connection.peer;
  auto handshake = begin_handshake(
      loop_, std::move(connection.socket), credentials_,
      {.peer = peer, .expected_name = "", .timeout_ns = options_.handshake_timeout_ns},
      [weak = weak_from_this(), number, peer,
       is_verified = credentials_->verifies_client()](Result<std::unique_ptr<io::Socket>> socket) {
        if (auto self = weak.lock()) self->secured(number, peer, is_verified, std::move(socket));
      });
  if (!handshake) return refuse(handshake.error());
  handshakes_.emplace(number, std::move(*handshake));
}

void AcceptorCore::secured(std::uint64_t number, const std::string& peer, bool is_verified,
                           Result<std::unique_ptr<io::Socket>> socket) {
  handshakes_.erase(number);
  if (!socket) return refuse(socket.error());
  deliver(std::move(*socket), peer, is_verified);
}

void AcceptorCore::refuse(const Error& error) {
  if (error.code() == Code::kShutdown) return;  // ours
  logger_.warning(fmt::format("event=connection_refused reason=\"{}\"", error.message()));
}

void AcceptorCore::deliver(std::unique_ptr<io::Socket> socket, std::string peer, bool is_verified) {
  const bool is_unix = io::is_unix_address(options_.address);
  const bool is_private = credentials_ || is_unix;
  const bool is_known = is_unix || is_verified || io::is_loopback_address(peer);
  on_channel_(
      make_frame_channel(loop_, std::move(socket), {std::move(peer), is_private, is_known}));
}

class LoopAcceptor final : public Acceptor {
 public:
  explicit LoopAcceptor(std::shared_ptr<AcceptorCore> core) : core_(std::move(core)) {}
  ~LoopAcceptor() override { core_->close(); }
  const std::string& address() const override { return core_->address(); }
  void set_tls(std::shared_ptr<const Tls> tls) override { core_->set_tls(std::move(tls)); }

 private:
  const std::shared_ptr<AcceptorCore> core_;
};

}  // namespace

Result<std::unique_ptr<Acceptor>> listen(io::Loop& loop, const AcceptorOptions& options,
                                         Logger& logger, OnChannel on_channel) {
  auto core = std::make_shared<AcceptorCore>(loop, options, logger, std::move(on_channel));
  TLOG_TRY(core->listen());
  return std::make_unique<LoopAcceptor>(std::move(core));
}

}  // namespace tlog::net
