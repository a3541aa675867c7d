// File: server/net/tls_socket.h
// TLS over a connected socket: a Socket whose bytes nobody else can read or change. What is sent is
// enciphered a bounded piece ahead of what the kernel has taken; the session's end is told to the
// peer (close_notify), and an end without it is an error.
// Threading: loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/net/credentials.h"
#include "tlog/io/loop.h"

namespace tlog::net {

using HandshakeDone = std::function<void(Result<std::unique_ptr<io::Socket>>)>;

// A handshake under way. Destroying it ends it, and `done` does not come.
class Handshake {
 public:
  virtual ~Handshake() = default;
};

struct HandshakeOptions {
  std::string peer;           // for messages
  std::string expected_name;  // client: what the server's certificate must be for
  std::uint64_t timeout_ns = 0;
};

// `done` comes once, later, with the socket to use from then on.
Result<std::unique_ptr<Handshake>> begin_handshake(io::Loop& loop,
                                                   std::unique_ptr<io::Socket> socket,
                                                   std::shared_ptr<const Credentials> credentials,
                                                   const HandshakeOptions& options,
                                                   HandshakeDone done);

}  // namespace tlog::net
