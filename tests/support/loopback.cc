#include "tests/support/loopback.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace tlog::testing {
namespace {

[[noreturn]] void give_up(const std::string& what, const std::string& address) {
  throw std::runtime_error(what + ": " + address + ": " + std::strerror(errno));
}

Descriptor new_socket(const SocketAddress& address, int flags) {
  Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!socket.is_open()) give_up("socket", "a test double");
  return socket;
}

// Two sockets may have one port if both agree.
Descriptor bound_socket(const std::string& text) {
  const SocketAddress address(text);
  Descriptor socket = new_socket(address, SOCK_NONBLOCK);
  const int on = 1;
  if (!address.is_unix()) ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (::bind(socket.number(), address.get(), address.length) != 0) give_up("bind", text);
  return socket;
}

std::string bound_address(const Descriptor& socket) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  if (::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    give_up("getsockname", "a test double");
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

}  // namespace

void Descriptor::reset() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

SocketAddress::SocketAddress(const std::string& text) {
  if (text.starts_with("unix:")) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (text.size() - 5 >= sizeof to.sun_path) throw std::runtime_error(text + ": too long a path");
    text.copy(to.sun_path, sizeof to.sun_path - 1, 5);
    std::memcpy(&storage, &to, sizeof to);
    length = sizeof to;
    return;
  }
  const std::size_t colon = text.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &to.sin_addr) != 1) {
    throw std::runtime_error(text + ": not an address; give A.B.C.D:PORT or unix:/path");
  }
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1))));
  std::memcpy(&storage, &to, sizeof to);
  length = sizeof to;
}

std::string outer_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return "";
  std::string found;
  for (const ifaddrs* each = list; each != nullptr && found.empty(); each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_LOOPBACK) != 0 || (each->ifa_flags & IFF_UP) == 0) continue;
    char text[INET_ADDRSTRLEN] = {};
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
    if (::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text) != nullptr) found = text;
  }
  ::freeifaddrs(list);
  return found;
}

Descriptor begin_connecting(const std::string& address) {
  const SocketAddress to(address);
  Descriptor socket = new_socket(to, SOCK_NONBLOCK);
  if (::connect(socket.number(), to.get(), to.length) != 0 && errno != EINPROGRESS)
    give_up("connect", address);
  return socket;
}

Descriptor connect_to(const std::string& address) {
  const SocketAddress to(address);
  Descriptor socket = new_socket(to, 0);
  if (::connect(socket.number(), to.get(), to.length) != 0) give_up("connect", address);
  return socket;
}

Listener::Listener(const std::string& address) : address_(address) {
  if (!address.starts_with("unix:")) {
    holder_ = bound_socket(address);
    address_ = bound_address(holder_);
  }
  open();
}

void Listener::open() {
  if (socket_.is_open()) return;
  if (address_.starts_with("unix:")) ::unlink(address_.c_str() + 5);
  socket_ = bound_socket(address_);
  if (::listen(socket_.number(), 64) != 0) give_up("listen", address_);
}

Descriptor Listener::accept() {
  return Descriptor(::accept4(socket_.number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

}  // namespace tlog::testing
