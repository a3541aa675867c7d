// The client's side: a connection, TLS over it, and a frame channel over that.
#include <fmt/format.h>

#include <utility>

#include "server/net/channel.h"
#include "server/net/frame_channel.h"
#include "server/net/tls_socket.h"
#include "tlog/base/clock.h"
#include "tlog/io/address.h"

namespace tlog::net {
namespace {

// One attempt; held by what is under way.
struct Attempt {
  io::Loop& loop;
  const std::string address;
  const std::shared_ptr<const Credentials> credentials;  // null: plain
  const std::string expected_name;
  const std::uint64_t deadline_ns;
  ChannelDone done;
  std::unique_ptr<Handshake> handshake;

  void finish(Result<std::unique_ptr<io::Socket>> socket) {
    ChannelDone tell = std::exchange(done, nullptr);
    if (!socket) return tell(fail(std::move(socket).error()));
    const bool is_private = credentials ? credentials->knows_peer() : io::is_unix_address(address);
    // Plain TCP: whoever has the address answers.
    tell(make_frame_channel(loop, std::move(*socket), {address, is_private, is_private}));
  }
};

// Whom the server's certificate must be for.
Result<std::string> name_to_expect(const Credentials& credentials, const std::string& address) {
  if (!credentials.expected_name().empty()) return credentials.expected_name();
  if (credentials.uses_psk() || !credentials.verifies_peer()) return std::string();
  if (io::is_unix_address(address)) {
    return fail(Code::kInvalidArgument,
                fmt::format("connect: {}: a certificate is for a name, and a Unix socket has none; "
                            "say which name is expected, or use no TLS there",
                            address));
  }
  TLOG_ASSIGN(io::HostPort parts, io::split_address("connect", address));
  return std::move(parts.host);
}

void secure(const std::shared_ptr<Attempt>& attempt, std::unique_ptr<io::Socket> socket) {
  const std::uint64_t now = system_clock().monotonic_ns();
  const std::uint64_t left = attempt->deadline_ns > now ? attempt->deadline_ns - now : 0;
  auto handshake = begin_handshake(
      attempt->loop, std::move(socket), attempt->credentials,
      {.peer = attempt->address, .expected_name = attempt->expected_name, .timeout_ns = left},
      [attempt](Result<std::unique_ptr<io::Socket>> secured) {
        attempt->finish(std::move(secured));
        attempt->handshake.reset();
      });
  if (!handshake) return attempt->finish(fail(std::move(handshake).error()));
  attempt->handshake = std::move(*handshake);
}

}  // namespace

void connect_channel(io::Loop& loop, const std::string& address, std::shared_ptr<const Tls> tls,
                     std::uint64_t timeout_ns, ChannelDone done) {
  auto credentials = credentials_for(TlsSide::kClient, std::move(tls));
  std::string expected_name;
  if (credentials) {
    auto name = name_to_expect(*credentials, address);
    if (!name) {
      return loop.post([done = std::move(done), error = name.error()] { done(fail(error)); });
    }
    expected_name = std::move(*name);
  }
  auto attempt = std::make_shared<Attempt>(
      Attempt{loop, address, std::move(credentials), std::move(expected_name),
              system_clock().monotonic_ns() + timeout_ns, std::move(done), nullptr});
  loop.connect(address, timeout_ns, [attempt](Result<std::unique_ptr<io::Socket>> socket) {
    if (!socket || !attempt->credentials) return attempt->finish(std::move(socket));
    secure(attempt, std::move(*socket));
  });
}

}  // namespace tlog::net
