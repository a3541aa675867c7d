// The client's side: a connection, and a frame channel over it.
#include "server/net/channel.h"
#include "server/net/frame_channel.h"
#include "tlog/io/address.h"

namespace tlog::net {

void connect_channel(io::Loop& loop, const std::string& address, std::shared_ptr<const Tls> tls,
                     std::uint64_t timeout_ns, ChannelDone done) {
  if (tls) {
    return loop.post([address, done = std::move(done)] {
      done(fail(Code::kNotSupported, "connect: " + address + ": TLS is not there yet"));
    });
  }
  loop.connect(
      address, timeout_ns,
      [&loop, address, done = std::move(done)](Result<std::unique_ptr<io::Socket>> socket) {
        if (!socket) return done(fail(std::move(socket).error()));
        done(make_frame_channel(loop, std::move(*socket), {address, io::is_unix_address(address)}));
      });
}

}  // namespace tlog::net
