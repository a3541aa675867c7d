#include "ctl/control_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "tlog/base/limits.h"

namespace tlog::control {

static_assert(sizeof(sockaddr_un{}.sun_path) == kSocketPathMax + 1);

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (is_open()) ::close(number_);
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (is_open()) ::close(number_);
}

std::uint64_t monotonic_ms() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

Result<Descriptor> unix_socket() {
  Descriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!descriptor.is_open()) return fail(os_error(errno, "socket: control socket"));
  return descriptor;
}

namespace {
// 0, or the errno of connect().
int connect_to(const Descriptor& descriptor, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, kSocketPathMax);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(descriptor.number(), generic, sizeof address) == 0 ? 0 : errno;
}

Status check_length(const std::string& path) {
  if (path.size() <= kSocketPathMax) return {};
  return fail(
      Code::kInvalidArgument,
      fmt::format("connect: {}: longer than a Unix socket's {} bytes", path, kSocketPathMax));
}
}  // namespace

Result<Descriptor> connect_unix(const std::string& path) {
  TLOG_TRY(check_length(path));
  TLOG_ASSIGN(Descriptor descriptor, unix_socket());
  if (int error = connect_to(descriptor, path); error != 0) {
    return fail(os_error(error, "connect: " + path));
  }
  return descriptor;
}

Result<bool> somebody_listens(const std::string& path) {
  TLOG_TRY(check_length(path));
  TLOG_ASSIGN(Descriptor descriptor, unix_socket());
  switch (int error = connect_to(descriptor, path); error) {
    case 0:
    case EAGAIN:
      return true;  // its queue is full
    case ECONNREFUSED:
    case ENOENT:
      return false;
    default:
      return fail(os_error(error, "connect: " + path));
  }
}

Status wait_ready(int descriptor, short events, std::uint64_t deadline_ms, int wake) {
  while (true) {
    std::uint64_t now = monotonic_ms();
    if (now >= deadline_ms) return fail(Code::kTimeout, "control: no answer in time");
    pollfd polled[2] = {{descriptor, events, 0},
                        {wake, POLLIN, 0}};  // a negative descriptor is skipped
    // In slices, so that the 64 bits of a deadline fit into poll's int.
    int slice = static_cast<int>(std::min<std::uint64_t>(deadline_ms - now, 60'000));
    int ready = ::poll(polled, 2, slice);
    if (ready < 0 && errno != EINTR) return fail(os_error(errno, "poll: control socket"));
    if (ready <= 0) continue;
    if (polled[1].revents != 0) return fail(Code::kShutdown, "control: the server stops");
    return {};
  }
}

Status send_all(int descriptor, std::string_view bytes, std::uint64_t deadline_ms, int wake) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return fail(os_error(errno, "send: control socket"));
    TLOG_TRY(wait_ready(descriptor, POLLOUT, deadline_ms, wake));
  }
  return {};
}

Result<std::string> receive_line(int descriptor, std::string& buffer, std::size_t bytes_max,
                                 std::uint64_t deadline_ms, int wake) {
  std::size_t searched = 0;
  while (true) {
    std::size_t end = buffer.find('\n', searched);
    if (end != std::string::npos && end <= bytes_max) {
      std::string line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      return line;
    }
    if (buffer.size() > bytes_max) {
      return fail(Code::kInvalidArgument,
                  fmt::format("control: a line longer than {} bytes", bytes_max));
    }
    searched = buffer.size();
    TLOG_TRY(wait_ready(descriptor, POLLIN, deadline_ms, wake));
    char chunk[16384];
    ssize_t received = ::recv(descriptor, chunk, sizeof chunk, MSG_DONTWAIT);
    if (received == 0) return fail(Code::kNotFound, "control: the peer has closed the connection");
    if (received > 0) {
      buffer.append(chunk, static_cast<std::size_t>(received));
    } else if (errno != EINTR && errno != EAGAIN) {
      return fail(os_error(errno, "receive: control socket"));
    }
  }
}

}  // namespace tlog::control
