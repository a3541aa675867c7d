#include "tests/bench/resp_pipeline.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include <fmt/core.h>

namespace tlog::bench {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr timeval kSilenceMax = {.tv_sec = 30, .tv_usec = 0};

}  // namespace

RespPipeline::RespPipeline(const std::string& address)
    : socket_(testing::connect_to(address)), address_(address) {
  const int number = socket_.number();
  const int flags = ::fcntl(number, F_GETFL);
  if (flags == -1 || ::fcntl(number, F_SETFL, flags & ~O_NONBLOCK) == -1 ||
      ::setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &kSilenceMax, sizeof kSilenceMax) == -1 ||
      ::setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &kSilenceMax, sizeof kSilenceMax) == -1) {
    throw std::runtime_error(fmt::format("{}: socket options: {}", address_, strerror(errno)));
  }
}

void RespPipeline::add(std::initializer_list<std::string_view> words) {
  auto out = std::back_inserter(outgoing_);
  fmt::format_to(out, "*{}\r\n", words.size());
  for (std::string_view word : words) {
    fmt::format_to(out, "${}\r\n", word.size());
    outgoing_.append(word).append("\r\n");
  }
}

void RespPipeline::send() {
  std::string_view left = outgoing_;
  while (!left.empty()) {
    const ssize_t sent = ::send(socket_.number(), left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw std::runtime_error(fmt::format("{}: send: {}", address_, strerror(errno)));
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
  outgoing_.clear();
}

void RespPipeline::fill() {
  // What was consumed goes away only here, so that each byte is moved at most once a read; the
  // buffer does not shrink, so that it is not cleared each time.
  std::memmove(incoming_.data(), incoming_.data() + consumed_, filled_ - consumed_);
  filled_ -= consumed_;
  consumed_ = 0;
  if (incoming_.size() < filled_ + kReadBytes) incoming_.resize(filled_ + kReadBytes);
  ssize_t got = 0;
  do {
    got = ::recv(socket_.number(), incoming_.data() + filled_, kReadBytes, 0);
  } while (got < 0 && errno == EINTR);
  if (got == 0) throw std::runtime_error(address_ + ": the server has closed the connection");
  if (got < 0) throw std::runtime_error(fmt::format("{}: receive: {}", address_, strerror(errno)));
  filled_ += static_cast<std::size_t>(got);
}

std::string_view RespPipeline::line() {
  for (;;) {
    const std::string_view unread(incoming_.data() + consumed_, filled_ - consumed_);
    const std::size_t end = unread.find("\r\n");
    if (end != std::string_view::npos) {
      consumed_ += end + 2;
      return unread.substr(0, end);
    }
    fill();
  }
}

RespAnswer RespPipeline::receive() {
  const std::string_view head = line();
  RespAnswer answer;
  if (!head.empty()) answer.kind = head[0];
  answer.text = head.substr(head.empty() ? 0 : 1);
  if (answer.kind == '+' || answer.kind == '-') return answer;
  const char* const end = answer.text.data() + answer.text.size();
  const auto parsed = std::from_chars(answer.text.data(), end, answer.number);
  const bool known = answer.kind == ':' || answer.kind == '$' || answer.kind == '*';
  if (!known || parsed.ec != std::errc{} || parsed.ptr != end || answer.number < -1 ||
      answer.number > INT32_MAX) {
    throw std::runtime_error(fmt::format("{}: no reply of redis: {}", address_, head));
  }
  if (answer.kind != '$' || answer.number == -1) return answer;
  const auto bytes = static_cast<std::size_t>(answer.number);
  while (filled_ - consumed_ < bytes + 2) fill();
  answer.text = std::string_view(incoming_.data() + consumed_, bytes);
  consumed_ += bytes + 2;
  return answer;
}

RespAnswer RespPipeline::expect(char kind, const char* operation) {
  const RespAnswer answer = receive();
  if (answer.kind == kind) return answer;
  throw std::runtime_error(
      fmt::format("{}: {}: unexpected reply: {}{}", address_, operation, answer.kind, answer.text));
}

}  // namespace tlog::bench
