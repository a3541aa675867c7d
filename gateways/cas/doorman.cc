#include "gateways/cas/doorman.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tlog/base/clock.h"

namespace tlog::cas {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr int kTickMs = 1000;
constexpr int kPauseMs = 100;  // when there are no descriptors left, until some are given back

}  // namespace

Status Doorman::start() {
  told_ = ::eventfd(0, EFD_CLOEXEC);
  if (told_ < 0) return fail(os_error(errno, "listen: " + address()));
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "tlog-grpc");
  return {};
}

void Doorman::stop() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    (void)!::write(told_, &one, sizeof one);  // the counter is 0: there is room for it
    thread_.join();
  }
  if (told_ >= 0) ::close(told_);
  told_ = -1;
  socket_.remove_file();
  socket_.close();
}

void Doorman::run() {
  std::uint64_t ticked_ns = system_clock().monotonic_ns();
  for (;;) {
    pollfd wanted[] = {{.fd = told_, .events = POLLIN, .revents = 0},
                       {.fd = is_without_descriptors_ ? -1 : socket_.descriptor(),
                        .events = POLLIN,
                        .revents = 0}};
    (void)::poll(wanted, 2, is_without_descriptors_ ? kPauseMs : kTickMs);
    if (wanted[0].revents != 0) return;
    is_without_descriptors_ = false;
    accept_all();
    const std::uint64_t now = system_clock().monotonic_ns();
    if (now - ticked_ns < kSecondNs) continue;
    ticked_ns = now;
    work_.every_second();
  }
}

void Doorman::accept_all() {
  for (;;) {
    const int descriptor =
        ::accept4(socket_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (descriptor < 0) {
      is_without_descriptors_ = errno != EAGAIN;
      return;
    }
    struct stat found {};
    if (!has_room() || ::fstat(descriptor, &found) != 0) {
      ::close(descriptor);
      continue;
    }
    guests_.push_back({.descriptor = descriptor, .socket = found.st_ino});
    const int on = 1;  // not of a Unix socket, which does not need it
    (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    work_.take(descriptor);
  }
}

bool Doorman::has_room() {
  if (guests_.size() < connections_max_) return true;
  std::erase_if(guests_, [](const Guest& guest) {
    struct stat found {};
    return ::fstat(guest.descriptor, &found) != 0 || found.st_ino != guest.socket;
  });
  return guests_.size() < connections_max_;
}

}  // namespace tlog::cas
