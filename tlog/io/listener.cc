#include "tlog/io/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "tlog/io/address.h"
#include "tlog/io/bound_socket.h"
#include "tlog/io/connector.h"

namespace tlog::io {
namespace {

// Between two looks when the process or the system is out of something.
constexpr std::uint64_t kRetryNs = 100'000'000;
// Of one turn: other work of the loop comes in between.
constexpr int kAcceptsPerTurn = 64;

// Outlives the Listener for as long as the loop has an operation of it under way.
class ListenerCore final : public LoopClient, public std::enable_shared_from_this<ListenerCore> {
 public:
  ListenerCore(LoopBase& loop, BoundSocket socket, Listener::Handlers handlers)
      : loop_(loop), socket_(std::move(socket)), handlers_(std::move(handlers)) {}

  void begin();
  void set_accepting(bool on);
  void close();
  void loop_stops() override { close(); }
  const std::string& address() const { return socket_.address(); }

 private:
  void await();
  void accept_some();
  // False: nothing more to accept for now.
  bool accept_one();
  void retry_later(int reason);

  LoopBase& loop_;
  BoundSocket socket_;
  Listener::Handlers handlers_;
  LoopBase::Number awaiting_ = 0;
  TimerId timer_ = 0;
  bool begun_ = false;
  bool accepting_ = true;
  bool in_trouble_ = false;
  bool closed_ = false;
};

void ListenerCore::begin() {
  if (closed_) return;
  if (loop_.closing()) return close();
  begun_ = true;
  loop_.add_client(*this);
  await();
}

void ListenerCore::await() {
  if (closed_ || !accepting_ || !begun_ || awaiting_ != 0 || timer_ != 0) return;
  awaiting_ = loop_.wait_readable(socket_.descriptor(), [self = shared_from_this()](int) {
    self->awaiting_ = 0;
    if (self->closed_) return self->socket_.close();
    self->accept_some();
  });
}

void ListenerCore::accept_some() {
  for (int count = 0; count < kAcceptsPerTurn; ++count) {
    if (closed_ || !accepting_ || !accept_one()) break;
  }
  await();
}

bool ListenerCore::accept_one() {
  SocketAddress from;
  from.length = sizeof from.storage;
  // Blocking, as io_uring wants it: our own calls say MSG_DONTWAIT.
  const int descriptor = ::accept4(socket_.descriptor(), reinterpret_cast<sockaddr*>(&from.storage),
                                   &from.length, SOCK_CLOEXEC);
  if (descriptor < 0) {
    const int reason = errno;
    if (reason == EAGAIN || reason == EWOULDBLOCK) return false;
    const bool lacks_something =
        reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM;
    if (!lacks_something) return true;  // of that one connection: it has ended already
    retry_later(reason);
    return false;
  }
  in_trouble_ = false;
  const int on = 1;
  std::string peer;
  if (is_unix_address(address())) {
    ucred credentials{};
    socklen_t length = sizeof credentials;
    (void)::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length);
    peer = fmt::format("{} (process {}, user {})", address(), credentials.pid, credentials.uid);
  } else {
    (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer = address_text(from);
  }
  handlers_.on_accepted({make_stream_socket(loop_, descriptor, peer), peer});
  return true;
}

void ListenerCore::retry_later(int reason) {
  timer_ = loop_.add_timer(kRetryNs, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->timer_ = 0;
    self->await();
  });
  if (in_trouble_ || !handlers_.on_trouble) return;
  in_trouble_ = true;
  const Error error = os_error(reason, fmt::format("accept: {}", address()));
  handlers_.on_trouble(
      Error(Code::kUnavailable,
            fmt::format("{}; who connects waits. Raise the limit of open files (ulimit -n, "
                        "LimitNOFILE=), or have fewer clients",
                        error.message())));
}

void ListenerCore::set_accepting(bool on) {
  accepting_ = on;
  if (on) return await();
  if (awaiting_ != 0) loop_.cancel(awaiting_);
}

void ListenerCore::close() {
  if (closed_) return;
  closed_ = true;
  if (begun_) loop_.remove_client(*this);
  if (timer_ != 0) loop_.cancel_timer(timer_);
  socket_.remove_file();
  // Who connects from now on is refused, also while the wait is still being cancelled.
  (void)::shutdown(socket_.descriptor(), SHUT_RDWR);
  if (awaiting_ != 0) {
    loop_.cancel(awaiting_);
  } else {
    socket_.close();
  }
}

class LoopListener final : public Listener {
 public:
  explicit LoopListener(std::shared_ptr<ListenerCore> core) : core_(std::move(core)) {}
  ~LoopListener() override { core_->close(); }
  const std::string& address() const override { return core_->address(); }
  void set_accepting(bool on) override { core_->set_accepting(on); }

 private:
  const std::shared_ptr<ListenerCore> core_;
};

}  // namespace

Result<std::unique_ptr<Listener>> listen_on(LoopBase& loop, const ListenOptions& options,
                                            Listener::Handlers handlers) {
  TLOG_ASSIGN(BoundSocket socket, BoundSocket::open(options));
  auto core = std::make_shared<ListenerCore>(loop, std::move(socket), std::move(handlers));
  loop.post([core] { core->begin(); });
  return std::make_unique<LoopListener>(std::move(core));
}

}  // namespace tlog::io
