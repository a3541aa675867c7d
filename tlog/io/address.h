// File: tlog/io/address.h
// Addresses of stream sockets as people write them: "host:port", "[v6]:port", "unix:/path".
// Threading: pure functions; look_up() may ask a name server, and then blocks.
// Errors: kInvalidArgument naming the operation, the address and how it should look.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::io {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
using SocketAddresses = std::vector<SocketAddress>;

struct HostPort {
  std::string host;  // without brackets
  std::string port;
};

bool is_unix_address(std::string_view address);
std::string unix_path(std::string_view address);  // of one that is_unix_address()

// `operation` ("connect", "listen") begins the error's message.
Result<HostPort> split_address(std::string_view operation, const std::string& address);
Result<SocketAddress> unix_address(std::string_view operation, const std::string& address);

// `flags` as getaddrinfo() has them; AI_NUMERICHOST never asks a name server. Answers what that
// answers: 0, or an EAI_ number.
int look_up(const HostPort& name, int flags, SocketAddresses& found);

// "1.2.3.4:5", "[::1]:5"; an IPv4 address that came over an IPv6 socket is shown as IPv4.
std::string address_text(const SocketAddress& address);

// Of what address_text() has said: an address of this host that nobody else can send from.
bool is_loopback_address(std::string_view address);

}  // namespace tlog::io
