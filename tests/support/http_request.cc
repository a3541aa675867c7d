#include "tests/support/http_request.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>

#include "tests/support/loopback.h"

namespace tlog::testing {
namespace {

constexpr int kSilenceMs = 10'000;

bool ready(int socket, short events) {
  pollfd waiting{.fd = socket, .events = events, .revents = 0};
  return ::poll(&waiting, 1, kSilenceMs) == 1;
}

// As much as the server takes: it may refuse before it has read everything.
void send_all(int socket, std::string_view text) {
  while (!text.empty() && ready(socket, POLLOUT)) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return;
    if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string receive_all(int socket) {
  std::string text;
  char piece[4096];
  while (ready(socket, POLLIN)) {
    const ssize_t got = ::recv(socket, piece, sizeof piece, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return text;
    if (got > 0) text.append(piece, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace

HttpReply ask(const std::string& address, const std::string& request) {
  const Descriptor socket = connect_to(address);
  send_all(socket.number(), request);
  ::shutdown(socket.number(), SHUT_WR);
  const std::string text = receive_all(socket.number());
  HttpReply reply;
  const std::size_t end = text.find("\r\n\r\n");
  reply.head = text.substr(0, end);
  if (end != std::string::npos) reply.body = text.substr(end + 4);
  if (text.starts_with("HTTP/1.") && text.size() > 12) {
    reply.status = std::atoi(text.c_str() + sizeof "HTTP/1.1 " - 1);
  }
  return reply;
}

HttpReply http_get(const std::string& address, const std::string& path) {
  return ask(address, "GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
}

}  // namespace tlog::testing
