#include "tests/support/redis_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

namespace tlog::testing {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

// A plain blocking client; slow and simple on purpose, it shares nothing with what it tests.
class Client {
 public:
  explicit Client(const std::string& address)
      : socket_(::socket(address.starts_with("unix:") ? AF_UNIX : AF_INET,
                         SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    timeval limit{5, 0};
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(address) != 0) throw std::runtime_error("cannot connect to " + address);
  }

  std::string command(const std::vector<std::string>& words) {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const auto& word : words)
      text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    for (std::size_t sent = 0; sent < text.size();) {
      ssize_t now = ::send(socket_.number(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) throw std::runtime_error("cannot send to redis-server");
      sent += static_cast<std::size_t>(now);
    }
    return reply();
  }

 private:
  int connect(const std::string& address) {
    if (address.starts_with("unix:")) {
      sockaddr_un to{};
      to.sun_family = AF_UNIX;
      address.copy(to.sun_path, sizeof to.sun_path - 1, 5);
      return ::connect(socket_.number(), reinterpret_cast<sockaddr*>(&to), sizeof to);
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    return ::connect(socket_.number(), reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  void need(std::size_t bytes) {
    while (buffer_.size() < bytes) {
      char chunk[65536];
      ssize_t got = ::recv(socket_.number(), chunk, sizeof chunk, 0);
      if (got <= 0) throw std::runtime_error("no reply from redis-server");
      buffer_.append(chunk, static_cast<std::size_t>(got));
    }
  }
  std::string take(std::size_t bytes) {
    need(bytes);
    std::string result = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return result;
  }
  std::string line() {
    while (buffer_.find("\r\n") == std::string::npos) need(buffer_.size() + 1);
    std::string result = take(buffer_.find("\r\n"));
    take(2);
    return result;
  }
  std::string reply() {
    std::string head = line();
    long number = head[0] == '$' || head[0] == '*' ? std::stol(head.substr(1)) : 0;
    if (head[0] == '$') {
      if (number < 0) return "(nil)";
      std::string value = take(static_cast<std::size_t>(number));
      take(2);
      return value;
    }
    if (head[0] != '*') return head[0] == '-' ? head : head.substr(1);
    std::string all;
    for (long i = 0; i < number; ++i) all += (i == 0 ? "" : " ") + reply();
    return all;
  }

  Descriptor socket_;
  std::string buffer_;
};

}  // namespace

int free_port() {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.number(), generic, length) != 0 ||
      ::getsockname(socket.number(), generic, &length) != 0) {
    throw std::runtime_error("no free port");
  }
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(RedisOptions options) : options_(std::move(options)) {
  if (options_.unix_socket) {
    address_ = "unix:" + directory_.file("redis.sock");
    start();
    return;
  }
  // Another program may take the port between our look and the server's bind.
  for (int attempt = 0;; ++attempt) {
    port_ = free_port();
    address_ = "127.0.0.1:" + std::to_string(port_);
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 3) throw;
    }
  }
}

void RedisServer::start() {
  ProcessOptions process;
  process.arguments = {"redis-server",
                       "--bind",
                       "127.0.0.1",
                       "--port",
                       std::to_string(port_),
                       "--dir",
                       directory_.path(),
                       "--daemonize",
                       "no",
                       "--save",
                       "",
                       "--loglevel",
                       "warning"};
  auto add = [&](std::initializer_list<std::string> more) {
    process.arguments.insert(process.arguments.end(), more);
  };
  if (options_.unix_socket) add({"--unixsocket", directory_.file("redis.sock")});
  if (!options_.password.empty()) add({"--requirepass", options_.password});
  process.arguments.insert(process.arguments.end(), options_.arguments.begin(),
                           options_.arguments.end());
  process.directory = directory_.path();
  process.output_path = directory_.file("redis.log");
  process_ = std::make_unique<Process>(process);
  bool up = wait_until([this] { return !running() || answers(); }, Milliseconds(20'000));
  if (up && running()) return;
  process_.reset();
  throw std::runtime_error("redis-server does not start: " +
                           read_text(directory_.file("redis.log")));
}

bool RedisServer::answers() {
  try {
    std::string reply = Client(address_).command({"PING"});
    return reply == "PONG" || reply.starts_with("-NOAUTH");
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::string RedisServer::command(const std::vector<std::string>& words) {
  Client client(address_);
  if (!options_.password.empty()) client.command({"AUTH", options_.password});
  return client.command(words);
}

void RedisServer::kill() {
  if (!process_) return;
  process_->signal(SIGKILL);
  if (!process_->wait(Milliseconds(10'000))) throw std::runtime_error("redis-server does not end");
  process_.reset();
}

void RedisServer::pause() {
  if (process_) process_->signal(SIGSTOP);
}

void RedisServer::resume() {
  if (process_) process_->signal(SIGCONT);
}

}  // namespace tlog::testing
