#include "tests/support/resp_client.h"

#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace tlog::testing {
namespace {

[[noreturn]] void give_up(const std::string& operation) {
  throw std::runtime_error(operation + ": " + std::strerror(errno));
}

// A call with a time limit is not taken up again by itself after a signal, a stop, or a debugger.
template <class Call>
ssize_t again_after_signals(Call call) {
  for (;;) {
    const ssize_t result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

ssize_t receive(const Descriptor& socket, char* into, std::size_t size) {
  const ssize_t got = again_after_signals([&] { return ::recv(socket.number(), into, size, 0); });
  if (got < 0) give_up("receive");
  return got;
}

}  // namespace

RespClient::RespClient(const std::string& address, Milliseconds silence_max)
    : socket_(connect_to(address)) {
  const timeval limit{silence_max.count() / 1000, silence_max.count() % 1000 * 1000};
  ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_.number(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

std::string RespClient::encode(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}

std::string RespClient::command(const std::vector<std::string>& words) {
  send(encode(words));
  return reply();
}

void RespClient::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t now = again_after_signals(
        [&] { return ::send(socket_.number(), text.data(), text.size(), MSG_NOSIGNAL); });
    if (now <= 0) give_up("send");
    text.remove_prefix(static_cast<std::size_t>(now));
  }
}

std::string RespClient::raw() {
  if (!buffer_.empty()) return std::exchange(buffer_, {});
  char chunk[65536];
  return std::string(chunk, static_cast<std::size_t>(receive(socket_, chunk, sizeof chunk)));
}

void RespClient::need(std::size_t bytes) {
  while (buffer_.size() < bytes) {
    char chunk[65536];
    const ssize_t got = receive(socket_, chunk, sizeof chunk);
    if (got == 0) throw std::runtime_error("receive: the server has closed the connection");
    buffer_.append(chunk, static_cast<std::size_t>(got));
  }
}

std::string RespClient::take(std::size_t bytes) {
  need(bytes);
  std::string result = buffer_.substr(0, bytes);
  buffer_.erase(0, bytes);
  return result;
}

std::string RespClient::line() {
  while (buffer_.find("\r\n") == std::string::npos) need(buffer_.size() + 1);
  std::string result = take(buffer_.find("\r\n"));
  take(2);
  return result;
}

std::string RespClient::reply() {
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

}  // namespace tlog::testing
