#include "tests/unit/resp_store/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace tlog::store {

const std::string FakeServer::kHangUp = "(hang up)";

FakeServer::FakeServer(Script script) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener_, generic, length), 0);
  EXPECT_EQ(::listen(listener_, 16), 0);
  EXPECT_EQ(::getsockname(listener_, generic, &length), 0);
  address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  thread_ = std::thread([this] { run(); });
}

FakeServer::~FakeServer() {
  stopping_ = true;
  thread_.join();
  ::close(listener_);
}

std::vector<std::string> FakeServer::commands() const {
  MutexLock lock(mutex_);
  return commands_;
}

void FakeServer::send_now(const std::string& text) {
  MutexLock lock(mutex_);
  send_all(newest_, text);
}

bool FakeServer::send_all(int descriptor, const std::string& text) {
  for (std::size_t sent = 0; sent < text.size();) {
    ssize_t now = ::send(descriptor, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += static_cast<std::size_t>(now);
  }
  return true;
}

void FakeServer::run() {
  std::vector<Peer> peers;
  while (!stopping_) {
    std::vector<pollfd> polled = {{listener_, POLLIN, 0}};
    const short events = reading_ ? POLLIN : 0;
    for (const Peer& peer : peers) polled.push_back({peer.descriptor, events, 0});
    if (::poll(polled.data(), polled.size(), 20) <= 0) continue;
    for (std::size_t i = peers.size(); i > 0; --i) {
      if (polled[i].revents == 0 || serve(peers[i - 1])) continue;
      MutexLock lock(mutex_);
      if (newest_ == peers[i - 1].descriptor) newest_ = -1;
      ::close(peers[i - 1].descriptor);
      peers.erase(peers.begin() + static_cast<std::ptrdiff_t>(i - 1));
    }
    if (polled[0].revents == 0) continue;
    int descriptor = ::accept(listener_, nullptr, nullptr);
    if (descriptor < 0) continue;
    ++connections_;
    peers.push_back({descriptor, ""});
    MutexLock lock(mutex_);
    newest_ = descriptor;
  }
  for (const Peer& peer : peers) ::close(peer.descriptor);
}

bool FakeServer::take_command(std::string& received, std::vector<std::string>& words) {
  words.clear();
  std::size_t at = 0;
  auto number = [&](char kind) -> long {
    std::size_t end = received.find("\r\n", at);
    if (end == std::string::npos) return -1;
    EXPECT_EQ(received[at], kind);
    long value = std::stol(received.substr(at + 1, end - at - 1));
    at = end + 2;
    return value;
  };
  long count = number('*');
  if (count < 0) return false;
  for (long i = 0; i < count; ++i) {
    long size = number('$');
    if (size < 0 || received.size() < at + static_cast<std::size_t>(size) + 2) return false;
    words.push_back(received.substr(at, static_cast<std::size_t>(size)));
    at += static_cast<std::size_t>(size) + 2;
  }
  received.erase(0, at);
  return true;
}

bool FakeServer::serve(Peer& peer) {
  char chunk[65536];
  ssize_t got = ::recv(peer.descriptor, chunk, sizeof chunk, 0);
  if (got <= 0) return false;
  peer.received.append(chunk, static_cast<std::size_t>(got));
  std::vector<std::string> words;
  while (take_command(peer.received, words)) {
    {
      MutexLock lock(mutex_);
      commands_.push_back(words[0]);
    }
    std::string answer = script_(words);
    bool hang_up = answer.ends_with(kHangUp);
    if (hang_up) answer.resize(answer.size() - kHangUp.size());
    if (!send_all(peer.descriptor, answer) || hang_up) return false;
  }
  return true;
}

}  // namespace tlog::store
