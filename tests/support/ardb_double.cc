#include "tests/support/ardb_double.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <list>
#include <stdexcept>

#include "tests/support/ardb_commands.h"
#include "tests/support/process.h"
#include "tests/support/resp_framing.h"

namespace tlog::testing {
namespace {

// What a client may leave unread before the server reads no more of its commands.
constexpr std::size_t kUnsentMax = std::size_t{4} << 20;

}  // namespace

class ArdbDouble::Server {
 public:
  explicit Server(const ArdbOptions& options)
      : listener_(options.listen), commands(options.password, options.engine) {
    commands.each_session = [this](const std::function<void(ArdbCommands::Session&)>& call) {
      for (Peer& peer : peers_) call(peer.session);
    };
  }

  const std::string& address() const { return listener_.address(); }
  void run();
  void wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake_.number(), &one, sizeof one);
  }
  void stop() {
    stopping_ = true;
    wake();
  }
  void restart() {
    ++commands.starts;
    restarting_ = true;
    wake();
    if (!wait_until([this] { return !restarting_; }, Milliseconds(20'000)))
      throw std::runtime_error("the double of ardb does not answer");
  }

 private:
  struct Peer {
    Descriptor socket;
    RespFraming framing{};
    ArdbCommands::Session session{};
    std::list<std::string> replies{};  // not sent yet
    std::size_t unsent_bytes = 0;
    bool hanging_up = false;
  };
  bool serve(Peer& peer, short events);
  bool receive(Peer& peer);
  bool send_replies(Peer& peer);

  Listener listener_;
  Descriptor wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> restarting_ = false;
  std::list<Peer> peers_;
  unsigned accepted_ = 0;

 public:
  ArdbCommands commands;
};

void ArdbDouble::Server::run() {
  while (!stopping_) {
    std::vector<pollfd> polled = {{wake_.number(), POLLIN, 0}, {listener_.number(), POLLIN, 0}};
    for (const Peer& peer : peers_) {
      const bool reads = !peer.hanging_up && peer.unsent_bytes < kUnsentMax;
      const int events = (reads ? POLLIN : 0) | (peer.replies.empty() ? 0 : POLLOUT);
      polled.push_back({peer.socket.number(), static_cast<short>(events), 0});
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    std::uint64_t ignored = 0;
    (void)!::read(wake_.number(), &ignored, sizeof ignored);
    std::size_t at = 2;
    for (auto peer = peers_.begin(); peer != peers_.end(); ++at) {
      auto now = peer++;
      if (now->session.killed) {
        peers_.erase(now);
        continue;
      }
      if (polled[at].revents != 0 && !serve(*now, polled[at].revents)) peers_.erase(now);
    }
    if (restarting_) {
      peers_.clear();
      restarting_ = false;
    }
    if (polled[1].revents == 0) continue;
    Descriptor socket = listener_.accept();  // Nagle's algorithm stays on, as in ardb
    if (!socket.is_open()) continue;
    peers_.push_back({.socket = std::move(socket)});
    peers_.back().session.address = "127.0.0.1:" + std::to_string(10'000 + ++accepted_);
  }
}

bool ArdbDouble::Server::serve(Peer& peer, short events) {
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !receive(peer)) return false;
  return send_replies(peer);
}

bool ArdbDouble::Server::receive(Peer& peer) {
  if (peer.hanging_up) return true;
  char bytes[65536];
  const ssize_t got = ::recv(peer.socket.number(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
  std::string_view left(bytes, static_cast<std::size_t>(got));
  while (!left.empty() && !peer.hanging_up) {
    left.remove_prefix(peer.framing.take(left));
    if (!peer.framing.ended()) continue;
    ArdbCommands::Answer answer = commands.run(peer.framing.words(), peer.session);
    peer.hanging_up = answer.hang_up;
    peer.unsent_bytes += answer.bytes.size();
    peer.replies.push_back(std::move(answer.bytes));
  }
  return true;
}

// Each reply by itself.
bool ArdbDouble::Server::send_replies(Peer& peer) {
  while (!peer.replies.empty()) {
    std::string& reply = peer.replies.front();
    const ssize_t sent =
        ::send(peer.socket.number(), reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    peer.unsent_bytes -= static_cast<std::size_t>(sent);
    reply.erase(0, static_cast<std::size_t>(sent));
    if (reply.empty()) peer.replies.pop_front();
  }
  return !peer.hanging_up;
}

ArdbDouble::ArdbDouble(const ArdbOptions& options)
    : server_(std::make_unique<Server>(options)), thread_([this] { server_->run(); }) {}

ArdbDouble::~ArdbDouble() {
  server_->stop();
  thread_.join();
}

const std::string& ArdbDouble::address() const {
  return server_->address();
}

void ArdbDouble::set_full(bool full) {
  server_->commands.full = full;
}

void ArdbDouble::set_replica(bool replica) {
  server_->commands.replica = replica;
}

void ArdbDouble::restart() {
  server_->restart();
}

}  // namespace tlog::testing
