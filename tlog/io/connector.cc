#include "tlog/io/connector.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "tlog/io/address.h"

namespace tlog::io {
namespace {

// One attempt: resolves, then tries the addresses one after the other, all within one deadline.
class Connector final : public LoopClient, public std::enable_shared_from_this<Connector> {
 public:
  Connector(LoopBase& loop, std::string address, ConnectDone done)
      : loop_(loop), address_(std::move(address)), done_(std::move(done)) {}
  ~Connector() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  void start(std::uint64_t timeout_ns);
  void loop_stops() override {
    finish(fail(Code::kShutdown, fmt::format("connect: {}: the loop has been stopped", address_)));
  }

 private:
  void resolve();
  void resolve_elsewhere(HostPort name);
  void set_addresses(int lookup_result, SocketAddresses addresses);
  void try_next();
  void on_writable();
  void connected();
  void finish(Result<std::unique_ptr<Socket>> result);

  LoopBase& loop_;
  const std::string address_;
  ConnectDone done_;
  SocketAddresses addresses_;
  std::size_t next_ = 0;
  int descriptor_ = -1;
  LoopBase::Number awaiting_ = 0;
  TimerId timer_ = 0;
  bool finished_ = false;
  Error last_error_{Code::kUnavailable, "connect: no address"};
};

void Connector::start(std::uint64_t timeout_ns) {
  loop_.add_client(*this);
  timer_ = loop_.add_timer(timeout_ns, [self = shared_from_this()] {
    self->timer_ = 0;
    self->finish(
        fail(Code::kTimeout, fmt::format("connect: {}: no answer in time", self->address_)));
  });
  // Never from within connect(): the caller's callback comes later, in every case.
  loop_.post([self = shared_from_this()] {
    if (!self->finished_) self->resolve();
  });
}

void Connector::resolve() {
  if (is_unix_address(address_)) {
    auto address = unix_address("connect", address_);
    if (!address) return finish(fail(std::move(address).error()));
    return set_addresses(0, {*address});
  }
  auto name = split_address("connect", address_);
  if (!name) return finish(fail(std::move(name).error()));
  SocketAddresses numeric;
  int result = look_up(*name, AI_NUMERICHOST, numeric);
  if (result == EAI_NONAME) return resolve_elsewhere(std::move(*name));
  set_addresses(result, std::move(numeric));
}

void Connector::resolve_elsewhere(HostPort name) {
  loop_.resolver().submit([self = shared_from_this(), name = std::move(name)]() mutable {
    SocketAddresses found;
    int result = look_up(name, 0, found);
    LoopBase& loop = self->loop_;
    loop.post([self = std::move(self), result, found = std::move(found)]() mutable {
      if (!self->finished_) self->set_addresses(result, std::move(found));
    });
  });
}

void Connector::set_addresses(int lookup_result, SocketAddresses addresses) {
  if (lookup_result != 0) {
    return finish(
        fail(Code::kUnavailable, fmt::format("connect: {}: {}; check the name and the port",
                                             address_, ::gai_strerror(lookup_result))));
  }
  addresses_ = std::move(addresses);
  try_next();
}

void Connector::try_next() {
  while (next_ < addresses_.size()) {
    const SocketAddress& to = addresses_[next_++];
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = ::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor_ < 0) {
      last_error_ = os_error(errno, fmt::format("connect: {}", address_));
      continue;
    }
    if (::connect(descriptor_, to.get(), to.length) == 0) {
      return connected();
    }
    if (errno == EINPROGRESS) {
      awaiting_ = loop_.wait_writable(descriptor_, [self = shared_from_this()](int) {
        self->awaiting_ = 0;
        self->on_writable();
      });
      return;
    }
    // A Unix socket that does not exist is a server that is not there yet, not a missing value.
    Error reason = os_error(errno, fmt::format("connect: {}", address_));
    last_error_ = Error(Code::kUnavailable, reason.message());
  }
  finish(fail(last_error_));
}

void Connector::on_writable() {
  if (finished_) return;
  int reason = 0;
  socklen_t length = sizeof reason;
  if (::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &reason, &length) != 0) reason = errno;
  if (reason == 0) return connected();
  Error error = os_error(reason, fmt::format("connect: {}", address_));
  last_error_ = Error(Code::kUnavailable, error.message());
  try_next();
}

void Connector::connected() {
  int on = 1;
  (void)::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on,
                     sizeof on);  // Unix sockets have none
  // Blocking from here on: io_uring answers EAGAIN for O_NONBLOCK; our own calls say MSG_DONTWAIT.
  int flags = ::fcntl(descriptor_, F_GETFL);
  if (flags >= 0) (void)::fcntl(descriptor_, F_SETFL, flags & ~O_NONBLOCK);
  int descriptor = descriptor_;
  descriptor_ = -1;
  finish(make_stream_socket(loop_, descriptor, address_));
}

void Connector::finish(Result<std::unique_ptr<Socket>> result) {
  if (finished_) return;
  auto self = shared_from_this();
  finished_ = true;
  loop_.remove_client(*this);
  if (timer_ != 0) loop_.cancel_timer(timer_);
  if (awaiting_ != 0) loop_.cancel(awaiting_);
  ConnectDone done = std::move(done_);
  done_ = nullptr;
  done(std::move(result));
}

}  // namespace

void connect_socket(LoopBase& loop, const std::string& address, std::uint64_t timeout_ns,
                    ConnectDone done) {
  std::make_shared<Connector>(loop, address, std::move(done))->start(timeout_ns);
}

}  // namespace tlog::io
