#include "tests/support/fault_proxy.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <list>
#include <stdexcept>

#include "tests/support/proxy_stream.h"

namespace tlog::testing {
namespace {

constexpr std::chrono::seconds kCallLimit(30);

// False when the connection has come to its end.
bool receive(int descriptor, ProxyStream& into) {
  char bytes[65536];
  const ssize_t got = ::recv(descriptor, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0)
    into.source_ended();
  else
    into.take({bytes, static_cast<std::size_t>(got)});
  return true;
}

bool has_connected(int descriptor) {
  int error = 0;
  socklen_t length = sizeof error;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

// A side that is asked for nothing is not looked at, or its hang-up would wake us again and again.
pollfd watch(int descriptor, bool read, bool write) {
  const int events = (read ? POLLIN : 0) | (write ? POLLOUT : 0);
  return {events == 0 ? -1 : descriptor, static_cast<short>(events), 0};
}

timespec until(ProxyClock::time_point time) {
  using std::chrono::nanoseconds;
  const nanoseconds left = std::max<nanoseconds>(nanoseconds(0), time - ProxyClock::now());
  return {static_cast<time_t>(left.count() / 1'000'000'000),
          static_cast<long>(left.count() % 1'000'000'000)};
}

}  // namespace

// Both sides, and what is on its way between them.
struct FaultProxy::Connection {
  Connection(ProxyState& state, Descriptor from, Descriptor to)
      : client(std::move(from)), server(std::move(to)) {
    requests = std::make_unique<ProxyStream>(state, false, asked);
    replies = std::make_unique<ProxyStream>(state, true, asked);
    for (const Descriptor* side : {&client, &server}) {
      const int on = 1;  // what is sent in pieces arrives in pieces
      ::setsockopt(side->number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
  }

  Descriptor client;
  Descriptor server;
  bool connected = false;  // with the server
  std::deque<std::string> asked;
  std::unique_ptr<ProxyStream> requests;
  std::unique_ptr<ProxyStream> replies;
};

// What the thread owns.
class FaultProxy::Worker {
 public:
  Worker(std::string upstream, const std::string& listen, ProxySpeech speech)
      : upstream_(std::move(upstream)), listener_(listen) {
    state_.speech = speech;
  }

  const std::string& address() const { return listener_.address(); }
  ProxyState& state() { return state_; }
  void follow_faults() {
    if (state_.faults.refuse)
      listener_.close();
    else
      listener_.open();
  }
  void end_connections(bool reset) {
    for (Connection& connection : connections_) {
      const linger at_once{1, 0};
      for (Descriptor* side : {&connection.client, &connection.server}) {
        if (reset) ::setsockopt(side->number(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      }
    }
    connections_.clear();
    state_.counts.open_connections = 0;
  }

  // Waits for something to do, and does it.
  void turn(int wake);

 private:
  void accept();
  bool serve(Connection& connection, short client, short server);

  const std::string upstream_;
  Listener listener_;
  ProxyState state_;
  std::list<Connection> connections_;
};

void FaultProxy::Worker::turn(int wake) {
  std::vector<pollfd> polled = {{wake, POLLIN, 0}, watch(listener_.number(), true, false)};
  auto next = ProxyClock::time_point::max();
  for (const Connection& c : connections_) {
    polled.push_back(
        watch(c.client.number(), c.requests->wants_more(), c.replies->wants_to_send()));
    polled.push_back(watch(c.server.number(), c.connected && c.replies->wants_more(),
                           !c.connected || c.requests->wants_to_send()));
    // What can be sent now is waited for by its socket.
    for (const ProxyStream* stream : {c.requests.get(), c.replies.get()}) {
      if (!stream->wants_to_send()) next = std::min(next, stream->next_time());
    }
  }
  const timespec left = until(next);
  const bool bounded = next != ProxyClock::time_point::max();
  if (::ppoll(polled.data(), polled.size(), bounded ? &left : nullptr, nullptr) < 0) return;
  std::size_t at = 2;
  for (auto connection = connections_.begin(); connection != connections_.end(); at += 2) {
    auto now = connection++;
    if (!serve(*now, polled[at].revents, polled[at + 1].revents)) connections_.erase(now);
  }
  state_.counts.open_connections = connections_.size();
  if (polled[1].revents != 0) accept();
}

void FaultProxy::Worker::accept() {
  Descriptor client = listener_.accept();
  if (!client.is_open()) return;
  ++state_.counts.connections;
  try {
    connections_.emplace_back(state_, std::move(client), begin_connecting(upstream_));
    state_.counts.open_connections = connections_.size();
  } catch (const std::runtime_error&) {
    // No server: the client meets a closed connection.
  }
}

bool FaultProxy::Worker::serve(Connection& c, short client, short server) {
  if (server != 0 && !c.connected) {
    if (!has_connected(c.server.number())) return false;
    c.connected = true;
    server = 0;
  }
  if ((client & (POLLIN | POLLHUP | POLLERR)) != 0 && c.requests->wants_more() &&
      !receive(c.client.number(), *c.requests)) {
    return false;
  }
  if ((server & (POLLIN | POLLHUP | POLLERR)) != 0 && c.replies->wants_more() &&
      !receive(c.server.number(), *c.replies)) {
    return false;
  }
  if (c.connected && c.requests->wants_to_send() && !c.requests->send_some(c.server.number()))
    return false;
  if (c.replies->wants_to_send() && !c.replies->send_some(c.client.number())) return false;
  return !c.requests->finished() && !c.replies->finished();
}

FaultProxy::FaultProxy(std::string upstream, const std::string& listen, ProxySpeech speech)
    : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      worker_(std::make_unique<Worker>(std::move(upstream), listen, speech)) {
  address_ = worker_->address();
  thread_ = std::thread([this] { run(*worker_); });
}

FaultProxy::~FaultProxy() {
  call([this](Worker&) {
    MutexLock lock(mutex_);
    stopping_ = true;
  });
  thread_.join();
}

void FaultProxy::run(Worker& worker) {
  for (;;) {
    std::vector<std::function<void()>> tasks;
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
    if (tasks.empty()) worker.turn(wake_.number());
    std::uint64_t ignored = 0;
    (void)!::read(wake_.number(), &ignored, sizeof ignored);
  }
}

void FaultProxy::call(const std::function<void(Worker&)>& task) {
  auto promise = std::make_shared<std::promise<void>>();
  auto done = promise->get_future();
  {
    MutexLock lock(mutex_);
    tasks_.push_back([this, promise, task] {
      task(*worker_);
      promise->set_value();
    });
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_.number(), &one, sizeof one);
  if (done.wait_for(kCallLimit) != std::future_status::ready)
    throw std::runtime_error("fault proxy " + address_ + ": its thread does not answer");
}

void FaultProxy::set(const Faults& faults) {
  call([faults](Worker& worker) {
    worker.state().faults = faults;
    worker.state().armed.reset();
    worker.follow_faults();
  });
}

void FaultProxy::next(const MessageFault& fault) {
  call([fault](Worker& worker) { worker.state().armed = fault; });
}

void FaultProxy::close_connections() {
  call([](Worker& worker) { worker.end_connections(false); });
}

void FaultProxy::reset_connections() {
  call([](Worker& worker) { worker.end_connections(true); });
}

ProxyCounts FaultProxy::counts() {
  ProxyCounts counts;
  call([&](Worker& worker) { counts = worker.state().counts; });
  return counts;
}

std::map<std::string, std::uint64_t> FaultProxy::commands() {
  std::map<std::string, std::uint64_t> commands;
  call([&](Worker& worker) { commands = worker.state().commands; });
  return commands;
}

}  // namespace tlog::testing
