#include "server/net/frame_channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/net/foreign_bytes.h"
#include "tlog/base/assert.h"
#include "tlog/base/wipe.h"

namespace tlog::net {
namespace {

// What is left of a body is received into its buffer directly from this size on: below it, one
// receive that also takes what follows is cheaper.
constexpr std::size_t kDirectBytesMin = 16 * kKiB;

constexpr std::size_t kMagicBytes = 4;

// Of what comes until the first frame is complete, which may be a Hello with a key: memory of its
// own, so that it can be wiped. Much more than a Hello has.
constexpr std::size_t kFirstBytes = 4 * kKiB;

// Wiped when nobody has it any more, also the kernel.
std::shared_ptr<Buffer> secret_buffer(std::size_t size) {
  return {new Buffer(size), [](Buffer* buffer) {
            wipe(buffer->span());
            delete buffer;
          }};
}

// Outlives the Channel while one of its callbacks runs.
class FrameCore : public std::enable_shared_from_this<FrameCore> {
 public:
  FrameCore(io::Loop& loop, std::unique_ptr<io::Socket> socket, ChannelPeer peer)
      : loop_(loop), socket_(std::move(socket)), peer_(std::move(peer)) {}

  void start(Channel::Handlers handlers);
  void send(protocol::FrameType type, std::vector<ConstByteSpan> pieces, io::IoDone done);
  void set_limits(const FrameLimits& limits) { limits_ = limits; }
  void set_reading(bool on);
  void close();
  const ChannelPeer& peer() const { return peer_; }

 private:
  bool in_body() const { return body_ != nullptr; }
  io::ReceiveTarget target();
  void on_data(ConstByteSpan bytes);
  void on_socket_closed(const Error& error);
  void shut();
  void consume(ConstByteSpan bytes);
  std::size_t take_head(ConstByteSpan bytes);
  std::size_t take_body(ConstByteSpan bytes);
  Status begin_body();
  void deliver();
  void resume();
  void failed(const Error& error);

  io::Loop& loop_;
  const std::unique_ptr<io::Socket> socket_;
  const ChannelPeer peer_;
  Channel::Handlers handlers_;
  FrameLimits limits_;
  std::array<std::byte, protocol::kFrameHeadBytes> head_{};
  std::size_t head_filled_ = 0;
  protocol::FrameType type_ = protocol::FrameType::kMessage;
  std::shared_ptr<Buffer> first_bytes_;  // until the first frame has been delivered; shared, too
  std::shared_ptr<Buffer> body_;         // shared with the receive that fills it
  std::size_t body_filled_ = 0;
  bool first_ = true;  // nothing has been understood yet
  // Received, and not to be looked at while nobody reads.
  std::vector<std::byte, WipingAllocator<std::byte>> held_;
  bool reading_ = true;
  bool let_go_ = false;  // by who had it, perhaps in a send that an error has just failed
  bool closed_ = false;
};

void FrameCore::start(Channel::Handlers handlers) {
  handlers_ = std::move(handlers);
  first_bytes_ = secret_buffer(kFirstBytes);
  socket_->start({.on_data = [this](ConstByteSpan bytes) { on_data(bytes); },
                  .on_closed = [this](const Error& error) { on_socket_closed(error); },
                  .target = [this] { return target(); }});
}

io::ReceiveTarget FrameCore::target() {
  if (first_bytes_) return {first_bytes_->span(), first_bytes_};
  if (!in_body() || body_->size() - body_filled_ < kDirectBytesMin) return {};
  return {body_->span().subspan(body_filled_), body_};
}

void FrameCore::on_data(ConstByteSpan bytes) {
  auto self = shared_from_this();  // a callback may destroy the Channel
  TLOG_ASSERT(held_.empty());
  const auto wiped = first_bytes_;  // at the end, when this was the first frame's
  consume(bytes);
}

void FrameCore::consume(ConstByteSpan bytes) {
  while (!closed_ && !bytes.empty()) {
    if (!reading_) {
      held_.assign(bytes.begin(), bytes.end());
      return;
    }
    bytes = bytes.subspan(in_body() ? take_body(bytes) : take_head(bytes));
  }
}

std::size_t FrameCore::take_head(ConstByteSpan bytes) {
  const std::size_t taken = std::min(bytes.size(), head_.size() - head_filled_);
  std::memcpy(&head_[head_filled_], bytes.data(), taken);
  head_filled_ += taken;
  // Who speaks something else may send less than a head and wait for an answer.
  const ConstByteSpan head = ConstByteSpan(head_).first(head_filled_);
  const bool is_foreign = head_filled_ >= kMagicBytes && !is_plain_frame(head);
  if (head_filled_ < head_.size() && !is_foreign) return taken;
  std::fill(head_.begin() + static_cast<std::ptrdiff_t>(head_filled_), head_.end(), std::byte{0});
  head_filled_ = 0;
  if (Status begun = begin_body(); !begun) {
    failed(begun.error());
  } else if (body_->empty()) {
    deliver();
  }
  return taken;
}

Status FrameCore::begin_body() {
  auto head = protocol::decode_head(head_);
  if (!head) {
    const std::string hint = first_ ? foreign_protocol(head_) : "";
    const std::string& reason = hint.empty() ? head.error().message() : hint;
    return fail(head.error().code(), fmt::format("receive: {}: {}", peer_.address, reason));
  }
  first_ = false;
  const bool is_message = head->type == protocol::FrameType::kMessage;
  const std::uint32_t most = is_message ? limits_.message_bytes_max : limits_.records_bytes_max;
  if (head->length > most) {
    return fail(
        Code::kCorruption,
        fmt::format("receive: {}: a frame of {} with {} bytes; at most {} are taken here",
                    peer_.address, is_message ? "a message" : "records", head->length, most));
  }
  type_ = head->type;
  // A first one that is cut off has nobody else to wipe it.
  body_ = first_bytes_ ? secret_buffer(head->length) : std::make_shared<Buffer>(head->length);
  body_filled_ = 0;
  return {};
}

std::size_t FrameCore::take_body(ConstByteSpan bytes) {
  const std::size_t taken = std::min(bytes.size(), body_->size() - body_filled_);
  std::byte* to = body_->data() + body_filled_;
  if (bytes.data() != to) std::memcpy(to, bytes.data(), taken);  // else: received in place
  body_filled_ += taken;
  if (body_filled_ == body_->size()) deliver();
  return taken;
}

void FrameCore::deliver() {
  Buffer body = std::move(*body_);
  body_.reset();
  first_bytes_.reset();
  handlers_.on_frame(type_, std::move(body));
}

void FrameCore::set_reading(bool on) {
  if (closed_ || reading_ == on) return;
  reading_ = on;
  if (!on) return socket_->set_reading(false);
  // Never from within this call, which may be one of a handler.
  loop_.post([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->resume();
  });
}

void FrameCore::resume() {
  if (closed_ || !reading_) return;
  const auto held = std::exchange(held_, {});
  consume(held);
  if (!closed_ && reading_) socket_->set_reading(true);
}

void FrameCore::on_socket_closed(const Error& error) {
  auto self = shared_from_this();
  if (error.code() != Code::kUnavailable) return failed(error);
  const std::size_t filled = in_body() ? head_.size() + body_filled_ : head_filled_;
  if (filled == 0) return failed(error);
  const std::size_t whole = in_body() ? head_.size() + body_->size() : head_.size();
  failed(Error(Code::kUnavailable,
               fmt::format("receive: {}: the connection ended in the middle of a frame, after {} "
                           "of {} bytes: {}",
                           peer_.address, filled, whole, error.message())));
}

void FrameCore::failed(const Error& error) {
  if (closed_) return;
  auto self = shared_from_this();
  shut();
  if (!let_go_ && handlers_.on_closed) handlers_.on_closed(error);
}

void FrameCore::close() {
  let_go_ = true;
  shut();
}

void FrameCore::shut() {
  if (closed_) return;
  auto self = shared_from_this();  // what fails now may destroy the Channel
  closed_ = true;
  held_ = {};
  first_bytes_.reset();
  body_.reset();
  socket_->close();
}

void FrameCore::send(protocol::FrameType type, std::vector<ConstByteSpan> pieces, io::IoDone done) {
  std::uint64_t length = 0;
  for (ConstByteSpan piece : pieces) length += piece.size();
  TLOG_ASSERT(length <= std::numeric_limits<std::uint32_t>::max());
  auto head = std::make_shared<std::array<std::byte, protocol::kFrameHeadBytes>>(
      protocol::encode_head({type, static_cast<std::uint32_t>(length)}));
  pieces.insert(pieces.begin(), ConstByteSpan(*head));
  socket_->send(std::move(pieces), [head, done = std::move(done)](Status status) {
    if (done) done(std::move(status));
  });
}

class FrameChannel final : public Channel {
 public:
  explicit FrameChannel(std::shared_ptr<FrameCore> core) : core_(std::move(core)) {}
  ~FrameChannel() override { core_->close(); }
  void start(Handlers handlers) override { core_->start(std::move(handlers)); }
  void set_limits(const FrameLimits& limits) override { core_->set_limits(limits); }
  void send(protocol::FrameType type, std::vector<ConstByteSpan> pieces, io::IoDone done) override {
    core_->send(type, std::move(pieces), std::move(done));
  }
  void set_reading(bool on) override { core_->set_reading(on); }
  void close() override { core_->close(); }
  const std::string& peer() const override { return core_->peer().address; }
  bool is_private() const override { return core_->peer().is_private; }
  bool is_known() const override { return core_->peer().is_known; }

 private:
  const std::shared_ptr<FrameCore> core_;
};

}  // namespace

std::unique_ptr<Channel> make_frame_channel(io::Loop& loop, std::unique_ptr<io::Socket> socket,
                                            ChannelPeer peer) {
  socket->end_when_peer_vanishes(kPeerVanishesNs);
  return std::make_unique<FrameChannel>(
      std::make_shared<FrameCore>(loop, std::move(socket), std::move(peer)));
}

}  // namespace tlog::net
