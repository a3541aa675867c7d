#include "server/serve/connection.h"

#include <fmt/format.h>

#include <utility>

#include "tlog/base/wipe.h"

namespace tlog::server {
namespace {

constexpr std::size_t kChokedBytes = 64 * kKiB;
constexpr std::uint64_t kGoodbyeNs = 2'000'000'000;

}  // namespace

Connection::Connection(std::shared_ptr<Core> core, std::unique_ptr<net::Channel> channel)
    : core_(std::move(core)),
      channel_(std::move(channel)),
      peer_(channel_->peer()),
      is_private_(channel_->is_private()),
      is_known_(channel_->is_known()) {
  core_->open_connections.insert(this);
}

void Connection::start(Handlers handlers) {
  handlers_ = std::move(handlers);
  std::weak_ptr<Connection> weak = weak_from_this();
  channel_->start({.on_frame =
                       [weak](protocol::FrameType type, Buffer body) {
                         if (auto self = weak.lock()) self->received(type, std::move(body));
                       },
                   .on_closed =
                       [weak](const Error& error) {
                         if (auto self = weak.lock()) self->lost(error);
                       }});
}

void Connection::received(protocol::FrameType type, Buffer body) {
  // Whatever it is, a key may be in it.
  if (state_ != State::kOpen) return wipe(body.span());
  // A copy: the handler may set others.
  if (auto handler = handlers_.on_frame) handler(type, std::move(body));
}

void Connection::lost(const Error& error) {
  if (state_ == State::kClosed) return;
  const bool tell = state_ == State::kOpen;
  close();
  if (auto handler = std::exchange(handlers_, {}).on_closed; tell && handler) handler(error);
}

void Connection::say(const protocol::Message& message, io::IoDone done) {
  send(protocol::FrameType::kMessage, protocol::encode(message), std::move(done));
}

void Connection::send_records(Buffer body, io::IoDone done) {
  send(protocol::FrameType::kRecords, std::move(body), std::move(done));
}

void Connection::send(protocol::FrameType type, Buffer body, io::IoDone done) {
  if (state_ == State::kClosed) {
    if (done) done(fail(Code::kShutdown, fmt::format("send: {}: the connection ended", peer_)));
    return;
  }
  const std::size_t bytes = type == protocol::FrameType::kMessage ? body.size() : 0;
  queued_bytes_ += bytes;
  if (queued_++ == 0) taken_ns_ = core_->parts.clock->monotonic_ns();
  if (watch_ == 0) watch(core_->options.send_timeout_ns);
  apply_reading();
  auto kept = std::make_shared<Buffer>(std::move(body));
  const ConstByteSpan piece = std::as_const(*kept).span();
  channel_->send(type, {piece},
                 [weak = weak_from_this(), kept, bytes, done = std::move(done)](Status status) {
                   if (auto self = weak.lock()) self->sent(bytes);
                   if (done) done(std::move(status));
                 });
}

void Connection::sent(std::size_t bytes) {
  queued_bytes_ -= bytes;
  --queued_;
  taken_ns_ = core_->parts.clock->monotonic_ns();
  if (state_ != State::kClosed) apply_reading();
}

void Connection::set_reading(bool on) {
  wants_reading_ = on;
  apply_reading();
}

void Connection::apply_reading() {
  if (!channel_ || state_ == State::kClosed) return;
  choked_ = choked_ ? queued_bytes_ > kChokedBytes / 4 : queued_bytes_ > kChokedBytes;
  // Who is told goodbye is read until he has closed.
  const bool on = state_ == State::kEnding || (wants_reading_ && !choked_);
  if (on == reading_) return;
  reading_ = on;
  channel_->set_reading(on);
}

void Connection::watch(std::uint64_t after_ns) {
  watch_ = core_->parts.loop->add_timer(after_ns, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->look();
  });
}

// One timer for all that is sent: it is not set anew with each message.
void Connection::look() {
  watch_ = 0;
  if (state_ == State::kClosed) return;
  if (state_ == State::kEnding) return close();
  if (queued_ == 0) return;
  const std::uint64_t waited = core_->parts.clock->monotonic_ns() - taken_ns_;
  const std::uint64_t limit = core_->options.send_timeout_ns;
  if (waited < limit) return watch(limit - waited);
  lost(Error(Code::kTimeout, fmt::format("send: {}: it has taken nothing for {} ms; is it stopped?",
                                         peer_, waited / 1'000'000)));
}

void Connection::end(const protocol::Message& last, io::Task done) {
  if (state_ != State::kOpen) {
    if (done) done();
    return;
  }
  state_ = State::kEnding;
  ++core_->goodbyes;
  self_ = shared_from_this();
  if (watch_ != 0) core_->parts.loop->cancel_timer(watch_);
  watch(kGoodbyeNs);
  say(last, [done = std::move(done)](const Status&) {
    if (done) done();
  });
  apply_reading();
}

void Connection::forget() {
  if (core_->open_connections.erase(this) == 0 || !core_->open_connections.empty()) return;
  if (core_->when_no_connections) core_->when_no_connections();
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  if (state_ == State::kEnding) --core_->goodbyes;
  state_ = State::kClosed;
  if (watch_ != 0) core_->parts.loop->cancel_timer(std::exchange(watch_, 0));
  forget();
  channel_->close();
  // Whoever called may be a handler of the channel, or of this.
  core_->parts.loop->post([self = shared_from_this()] {
    self->handlers_ = {};
    self->channel_.reset();
    self->self_.reset();
  });
}

}  // namespace tlog::server
