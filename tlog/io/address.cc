#include "tlog/io/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "tlog/base/limits.h"

namespace tlog::io {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

Error bad_address(std::string_view operation, const std::string& address) {
  return Error(Code::kInvalidArgument,
               fmt::format("{}: {}: not an address; give host:port, [v6]:port or unix:/path",
                           operation, address));
}

}  // namespace

bool is_unix_address(std::string_view address) {
  return address.starts_with(kUnixPrefix);
}

std::string unix_path(std::string_view address) {
  return std::string(address.substr(kUnixPrefix.size()));
}

Result<SocketAddress> unix_address(std::string_view operation, const std::string& address) {
  static_assert(kSocketPathMax == sizeof(sockaddr_un::sun_path) - 1);
  const std::string path = unix_path(address);
  if (path.empty() || path.size() > kSocketPathMax) {
    return fail(Code::kInvalidArgument, fmt::format("{}: {}: a socket's path has 1 to {} bytes",
                                                    operation, address, kSocketPathMax));
  }
  SocketAddress result;
  auto* to = reinterpret_cast<sockaddr_un*>(&result.storage);
  to->sun_family = AF_UNIX;
  path.copy(to->sun_path, path.size());
  result.length = sizeof *to;
  return result;
}

Result<HostPort> split_address(std::string_view operation, const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    return fail(bad_address(operation, address));
  }
  HostPort result{address.substr(0, colon), address.substr(colon + 1)};
  if (result.host.front() == '[') {
    if (result.host.back() != ']' || result.host.size() < 3) {
      return fail(bad_address(operation, address));
    }
    result.host = result.host.substr(1, result.host.size() - 2);
  } else if (result.host.find(':') != std::string::npos) {
    return fail(bad_address(operation, address));
  }
  return result;
}

int look_up(const HostPort& name, int flags, SocketAddresses& found) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int result = ::getaddrinfo(name.host.c_str(), name.port.c_str(), &hints, &list);
  if (result != 0) return result;
  for (addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
    found.push_back(address);
  }
  ::freeaddrinfo(list);
  return 0;
}

std::string address_text(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4->sin_port));
  }
  if (address.storage.ss_family != AF_INET6) return "unknown";
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
    ::inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v6->sin6_port));
  }
  ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
}

bool is_loopback_address(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("[::1]:");
}

}  // namespace tlog::io
