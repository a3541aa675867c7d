// Channel: one connection that carries frames, plain or TLS, over TCP or a Unix socket. Acceptor
// makes those of a server, connect_channel() those of a client.
//
// Threading: loop thread only, callbacks included.
// Memory: a body is received into one buffer of its length, after its head was checked against the
// limits. Nothing is queued for a peer that does not read beyond what the caller sends: `done` of
// send() says when the kernel has taken it. A peer that vanished without a word (its machine is
// off, the network is cut) is noticed within about half a minute, one that merely does not read is
// not ended. Errors: a wrong head, a body above the limits, a TLS alert, or a peer that ended the
// connection in the middle of a frame end the channel: on_closed, once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/net/tls.h"
#include "server/protocol/frame.h"
#include "tlog/base/buffer.h"
#include "tlog/base/log.h"
#include "tlog/io/loop.h"

namespace tlog::net {

struct FrameLimits {
  std::uint32_t message_bytes_max = protocol::kMessageBytesMax;
  std::uint32_t records_bytes_max = 0;  // 0: none are accepted on this connection (yet)
};

class Channel {
 public:
  struct Handlers {
    std::function<void(protocol::FrameType, Buffer body)> on_frame;
    std::function<void(Error)> on_closed;  // the peer's end or an error; never after close()
  };
  virtual ~Channel() = default;  // closes

  virtual void start(Handlers handlers) = 0;
  virtual void set_limits(const FrameLimits& limits) = 0;
  // The body's pieces must stay valid until `done`; frames leave in order.
  virtual void send(protocol::FrameType type, std::vector<ConstByteSpan> pieces,
                    io::IoDone done) = 0;
  // Off: no frame is delivered, also none that has been received, and nothing more is received, so
  // that the peer's sends pile up at the peer. Its end is noticed when it is on again; until then
  // only errors are. May be set from on_frame; delivery goes on later, from the loop.
  virtual void set_reading(bool on) = 0;
  virtual void close() = 0;  // at once, what is queued fails; idempotent

  virtual const std::string& peer() const = 0;  // its address, for people
  // Nobody but the peer can read what is sent: TLS, or a Unix socket.
  virtual bool is_private() const = 0;
  // It is no stranger: it has shown a certificate or a pre-shared key, or is on this host (a Unix
  // socket, loopback).
  virtual bool is_known() const = 0;
};

using ChannelDone = std::function<void(Result<std::unique_ptr<Channel>>)>;
// `address`: as io::Loop::connect() takes it. `tls`: null for plain. The timeout covers the TLS
// handshake too.
void connect_channel(io::Loop& loop, const std::string& address, std::shared_ptr<const Tls> tls,
                     std::uint64_t timeout_ns, ChannelDone done);

class Acceptor {
 public:
  virtual ~Acceptor() = default;  // stops listening; on the loop's thread, or after its end
  virtual const std::string& address() const = 0;  // with the real port, when 0 was asked for
  // Of the connections that come from now on; those that are there keep theirs. On the loop's
  // thread. Not null, and only for who began with some.
  virtual void set_tls(std::shared_ptr<const Tls> tls) = 0;
};
// Binds in the calling thread, so that an error is the user's to read (which address, why, what to
// do); accepts on the loop. A TLS handshake that is not done after `handshake_timeout_ns` ends the
// connection; at most `handshakes_max` are under way at once, the one that has taken
// longest makes room for a new one.
struct AcceptorOptions {
  std::string address;                       // "host:port", "[v6]:port", "unix:/path"
  std::shared_ptr<const Tls> tls = nullptr;  // null for plain
  std::uint64_t handshake_timeout_ns = 10'000'000'000;
  unsigned handshakes_max = 256;
};
Result<std::unique_ptr<Acceptor>> listen(io::Loop& loop, const AcceptorOptions& options,
                                         Logger& logger,
                                         std::function<void(std::unique_ptr<Channel>)> on_channel);

}  // namespace tlog::net
