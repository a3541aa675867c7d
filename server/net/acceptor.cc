// The server's side: connections that are accepted, and frame channels over them.
#include "server/net/channel.h"
#include "server/net/frame_channel.h"
#include "tlog/io/address.h"

#include <fmt/format.h>

namespace tlog::net {
namespace {

using OnChannel = std::function<void(std::unique_ptr<Channel>)>;

// Shared with the listener's handlers, which may run once more while the Acceptor goes.
class AcceptorCore : public std::enable_shared_from_this<AcceptorCore> {
 public:
  AcceptorCore(io::Loop& loop, AcceptorOptions options, Logger& logger, OnChannel on_channel)
      : loop_(loop),
        options_(std::move(options)),
        logger_(logger),
        on_channel_(std::move(on_channel)) {}

  Status listen();
  void close() { listener_.reset(); }
  const std::string& address() const { return listener_->address(); }

 private:
  void accepted(io::Accepted connection);

  io::Loop& loop_;
  const AcceptorOptions options_;
  Logger& logger_;
  const OnChannel on_channel_;
  std::unique_ptr<io::Listener> listener_;
};

Status AcceptorCore::listen() {
  auto listener = loop_.listen(
      {.address = options_.address},
      {.on_accepted =
           [self = weak_from_this()](io::Accepted connection) {
             if (auto core = self.lock()) core->accepted(std::move(connection));
           },
       .on_trouble =
           [&logger = logger_](const Error& error) {
             logger.warning(fmt::format("event=accept_failed reason=\"{}\"", error.message()));
           }});
  if (!listener) return fail(std::move(listener).error());
  listener_ = std::move(*listener);
  return {};
}

void AcceptorCore::accepted(io::Accepted connection) {
  const bool is_unix = io::is_unix_address(options_.address);
  on_channel_(make_frame_channel(loop_, std::move(connection.socket), {connection.peer, is_unix}));
}

class LoopAcceptor final : public Acceptor {
 public:
  explicit LoopAcceptor(std::shared_ptr<AcceptorCore> core) : core_(std::move(core)) {}
  ~LoopAcceptor() override { core_->close(); }
  const std::string& address() const override { return core_->address(); }

 private:
  const std::shared_ptr<AcceptorCore> core_;
};

}  // namespace

Result<std::unique_ptr<Acceptor>> listen(io::Loop& loop, const AcceptorOptions& options,
                                         Logger& logger, OnChannel on_channel) {
  auto core = std::make_shared<AcceptorCore>(loop, options, logger, std::move(on_channel));
  TLOG_TRY(core->listen());
  return std::make_unique<LoopAcceptor>(std::move(core));
}

}  // namespace tlog::net
