// What a server says, and when it may.
#include <fmt/format.h>

#include "server/client/connection.h"

namespace tlog::client {

using protocol::FrameType;
using protocol::Message;

void Connection::unexpected(const Message& message, const char* where) {
  end(EndKind::kLost,
      Error(Code::kCorruption, fmt::format("{}: {} {}; is it a tlogserver of another version?",
                                           address_, protocol::message_name(message), where)));
}

void Connection::control_frame(FrameType type, const Buffer& body) {
  if (phase_ == Phase::kEnded) return;
  heard_ns_ = parts_.clock->monotonic_ns();
  if (type != FrameType::kMessage) {
    return end(EndKind::kLost, Error(Code::kCorruption, address_ + ": records on the control "
                                                                   "connection"));
  }
  auto message = protocol::decode(body.span());
  if (!message) return end(EndKind::kLost, message.error().within(address_));
  if (phase_ == Phase::kHello) return before_welcome(std::move(*message));
  in_session(*message);
}

void Connection::before_welcome(Message message) {
  if (auto* refusal = std::get_if<protocol::Refusal>(&message))
    return end(EndKind::kRefusal, Error(refusal->code, refusal->reason));
  if (auto* goodbye = std::get_if<protocol::Disconnect>(&message))
    return end(EndKind::kGoodbye, Error(goodbye->code, goodbye->reason));
  auto* welcome = std::get_if<protocol::Welcome>(&message);
  if (welcome == nullptr) return unexpected(message, "instead of Welcome");
  if (welcome->version < protocol::kVersionMin || welcome->version > protocol::kVersion) {
    return end(EndKind::kOurChoice,
               Error(Code::kNotSupported,
                     fmt::format("welcome: {}: version {} was not offered; update one of the two",
                                 address_, welcome->version)));
  }
  if (welcome->received < welcome->stored.sequence) {
    return end(EndKind::kLost,
               Error(Code::kCorruption,
                     fmt::format("welcome: {}: it has received up to {} and stored up to {}",
                                 address_, welcome->received, welcome->stored.sequence)));
  }
  arrived();
  session_ = welcome->session;
  phase_ = Phase::kWelcomed;
  tick();
  parts_.owner->on_welcome(std::move(*welcome));
}

void Connection::in_session(const Message& message) {
  if (const auto* progress = std::get_if<protocol::Progress>(&message))
    return parts_.owner->on_progress(*progress);
  if (const auto* reply = std::get_if<protocol::Reply>(&message))
    return parts_.owner->on_reply(*reply);
  if (const auto* echo = std::get_if<protocol::Echo>(&message)) return heard_echo(*echo);
  if (const auto* goodbye = std::get_if<protocol::Disconnect>(&message))
    return end(EndKind::kGoodbye, Error(goodbye->code, goodbye->reason));
  unexpected(message, "in a session");
}

void Connection::heard_echo(const protocol::Echo& echo) {
  const std::uint64_t now = parts_.clock->monotonic_ns();
  if (echo.id == echoes_ && echo.client_ns <= now)
    parts_.owner->on_round_trip(now - echo.client_ns);
}

void Connection::data_frame(FrameType type, Buffer body) {
  if (phase_ == Phase::kEnded) return;
  heard_ns_ = parts_.clock->monotonic_ns();
  if (type == FrameType::kRecords) {
    if (phase_ == Phase::kAttached) return parts_.owner->on_records(std::move(body));
    return end(EndKind::kLost, Error(Code::kCorruption, address_ + ": records before Attached"));
  }
  auto message = protocol::decode(body.span());
  if (!message) return end(EndKind::kLost, message.error().within(address_));
  if (const auto* refusal = std::get_if<protocol::Refusal>(&*message))
    return end(EndKind::kRefusal, Error(refusal->code, refusal->reason).within("attach"));
  if (const auto* goodbye = std::get_if<protocol::Disconnect>(&*message))
    return end(EndKind::kGoodbye, Error(goodbye->code, goodbye->reason));
  if (!std::holds_alternative<protocol::Attached>(*message) || phase_ != Phase::kAttaching)
    return unexpected(*message, "on the data connection");
  arrived();
  phase_ = Phase::kAttached;
  // Now it may be asked for records.
  data_->set_limits({.records_bytes_max = static_cast<std::uint32_t>(protocol::kBatchFrameMax)});
  parts_.owner->on_attached();
}

}  // namespace tlog::client
