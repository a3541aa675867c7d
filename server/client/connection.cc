#include "server/client/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tlog/base/wipe.h"

namespace tlog::client {
namespace {

// A server opens the log before it says Welcome, and waits for stores that do not answer.
constexpr std::uint64_t kWelcomeSilences = 4;
constexpr std::uint64_t kGoodbyeNs = 1'000'000'000;
// Signs of life are asked for so often within the silence that is borne.
constexpr std::uint64_t kEchoesPerSilence = 4;
constexpr std::uint64_t kTickMinNs = 5'000'000;

void send_message(net::Channel& channel, const protocol::Message& message, io::IoDone then) {
  auto body = std::make_shared<Buffer>(protocol::encode(message));
  const bool secret = std::holds_alternative<protocol::Hello>(message);  // the key is in it
  channel.send(protocol::FrameType::kMessage, {body->span()},
               [body, secret, then = std::move(then)](Status status) {
                 if (secret) wipe(body->span());
                 if (then) then(std::move(status));
               });
}

}  // namespace

Connection::Connection(Parts parts, std::string address, protocol::Hello hello)
    : parts_(parts), address_(std::move(address)), hello_(std::move(hello)) {
  const ClientOptions& options = *parts_.options;
  net::connect_channel(*parts_.loop, address_, options.tls, options.connect_timeout_ns,
                       [this, life = std::weak_ptr<int>(life_)](auto channel) {
                         if (life.expired()) return;
                         if (!channel) return end(EndKind::kLost, channel.error());
                         take_control(std::move(*channel));
                       });
}

Connection::~Connection() {
  life_.reset();
  arrived();
  parts_.loop->cancel_timer(tick_);
  drop_channels();
}

// Not here and now: this may be within a call that one of them makes.
void Connection::drop_channels() {
  for (std::unique_ptr<net::Channel>* channel : {&control_, &data_}) {
    if (!*channel) continue;
    (*channel)->close();
    parts_.loop->post([gone = std::shared_ptr<net::Channel>(std::move(*channel))] {});
  }
}

void Connection::end(EndKind kind, Error error) {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  arrived();
  parts_.loop->cancel_timer(tick_);
  drop_channels();
  parts_.loop->post([this, life = std::weak_ptr<int>(life_), end = End{kind, std::move(error)}] {
    if (!life.expired()) parts_.owner->on_ended(end);
  });
}

void Connection::take_control(std::unique_ptr<net::Channel> channel) {
  control_ = std::move(channel);
  control_->start({.on_frame =
                       [this, life = std::weak_ptr<int>(life_)](auto type, Buffer body) {
                         if (!life.expired()) control_frame(type, body);
                       },
                   .on_closed =
                       [this, life = std::weak_ptr<int>(life_)](const Error& error) {
                         if (!life.expired()) end(EndKind::kLost, error);
                       }});
  if (phase_ == Phase::kConnecting) say_hello();
}

void Connection::say_hello() {
  const ClientOptions& options = *parts_.options;
  if (options.key != nullptr && !control_->is_private() && !options.insecure) {
    return end(EndKind::kOurChoice,
               Error(Code::kInvalidArgument,
                     fmt::format("hello: {}: the key would be sent where others can read it; use "
                                 "TLS or a Unix socket, or allow it (insecure)",
                                 address_)));
  }
  if (options.key != nullptr) {
    hello_.key.resize(protocol::kKeyBytes);
    options.key->copy_to(std::span<std::byte, protocol::kKeyBytes>(
        reinterpret_cast<std::byte*>(hello_.key.data()), protocol::kKeyBytes));
  }
  phase_ = Phase::kHello;
  expect_within(kWelcomeSilences * options.silence_ns, "Welcome");
  send_message(*control_, protocol::Message(std::move(hello_)), {});
}

void Connection::attach() {
  if (phase_ != Phase::kWelcomed) return;
  phase_ = Phase::kAttaching;
  const ClientOptions& options = *parts_.options;
  expect_within(options.connect_timeout_ns + options.silence_ns, "Attached");
  net::connect_channel(*parts_.loop, address_, options.tls, options.connect_timeout_ns,
                       [this, life = std::weak_ptr<int>(life_)](auto channel) {
                         if (life.expired() || phase_ != Phase::kAttaching) return;
                         if (!channel) return end(EndKind::kLost, channel.error());
                         take_data(std::move(*channel));
                       });
}

void Connection::take_data(std::unique_ptr<net::Channel> channel) {
  data_ = std::move(channel);
  data_->start({.on_frame =
                    [this, life = std::weak_ptr<int>(life_)](auto type, Buffer body) {
                      if (!life.expired()) data_frame(type, std::move(body));
                    },
                .on_closed =
                    [this, life = std::weak_ptr<int>(life_)](const Error& error) {
                      if (!life.expired()) end(EndKind::kLost, error.within("data connection"));
                    }});
  if (phase_ == Phase::kAttaching) send_message(*data_, protocol::Attach{session_}, {});
}

void Connection::send(const protocol::Message& message) {
  if (phase_ == Phase::kEnded || !control_) return;
  send_message(*control_, message, {});
}

void Connection::send_records(const std::vector<ConstByteSpan>& pieces, io::IoDone done) {
  if (phase_ != Phase::kAttached) {
    parts_.loop->post([done = std::move(done)] {
      done(fail(Code::kShutdown, "send: records: the connection has ended"));
    });
    return;
  }
  data_->send(protocol::FrameType::kRecords, pieces, std::move(done));
}

void Connection::set_data_reading(bool on) {
  if (phase_ == Phase::kAttached) data_->set_reading(on);
}

void Connection::say_goodbye(Code code, const std::string& reason) {
  if (phase_ == Phase::kEnded || phase_ == Phase::kConnecting || !control_) return;
  // Whoever is last, the message or the time for it, ends the channel; not from within its call.
  auto channel = std::make_shared<std::unique_ptr<net::Channel>>(std::move(control_));
  auto drop = [loop = parts_.loop, channel] {
    if (*channel) loop->post([gone = std::shared_ptr<net::Channel>(std::move(*channel))] {});
  };
  phase_ = Phase::kEnded;
  arrived();
  parts_.loop->cancel_timer(tick_);
  const io::TimerId timer = parts_.loop->add_timer(kGoodbyeNs, drop);
  send_message(**channel, protocol::Disconnect{code, reason},
               [drop, loop = parts_.loop, timer](const Status&) {
                 loop->cancel_timer(timer);
                 drop();
               });
  drop_channels();
}

void Connection::expect_within(std::uint64_t ns, const char* what) {
  arrived();
  deadline_ = parts_.loop->add_timer(ns, [this, ns, what] {
    deadline_ = 0;
    end(EndKind::kLost,
        Error(Code::kTimeout,
              fmt::format("{}: no {} within {} ms; is it a tlogserver, and do its stores answer?",
                          address_, what, ns / 1'000'000)));
  });
}

void Connection::arrived() {
  parts_.loop->cancel_timer(std::exchange(deadline_, 0));
}

void Connection::tick() {
  const std::uint64_t silence = parts_.options->silence_ns;
  const std::uint64_t now = parts_.clock->monotonic_ns();
  // It was this side that was held up: what has come meanwhile has not been read yet.
  if (ticked_ns_ != 0 && now - ticked_ns_ > silence / 2 + kTickMinNs) heard_ns_ = now;
  ticked_ns_ = now;
  if (now - heard_ns_ >= silence) {
    return end(EndKind::kLost,
               Error(Code::kTimeout, fmt::format("{}: no sign of life for {} ms", address_,
                                                 (now - heard_ns_) / 1'000'000)));
  }
  send(protocol::Echo{.id = ++echoes_, .client_ns = now, .server_ns = 0});
  tick_ =
      parts_.loop->add_timer(std::max(kTickMinNs, silence / kEchoesPerSilence), [this] { tick(); });
}

}  // namespace tlog::client
