// Who the server is, from connection to connection: see ServerIdentity.
#include <fmt/format.h>

#include "tlog/store/resp_connection.h"

namespace tlog::store {

Error RespConnection::suspect_error() {
  return Error(
      Code::kUnavailable,
      "it was restarted, and does not count until what it had confirmed has been verified");
}

StoreState RespConnection::standing() const {
  if (is_doubted_) return StoreState::kSuspect;
  // Between the new mark of an emptied server and its record nobody expects the mark yet. It is
  // not whole then either.
  const KnownServer* known = self_.known();
  const bool is_recorded = known != nullptr && known->since == self_.marked.since;
  const bool is_unrecorded_and_empty = self_.is_writer && self_.marked.rebuilding && !is_recorded;
  return self_.is_rebuilding() || is_unrecorded_and_empty ? StoreState::kRebuilding
                                                          : StoreState::kUp;
}

void RespConnection::tell(ServerEvent event) {
  if (!listener_) return;
  has_told_ = true;
  // Not at once: who is told may turn round and ask for something.
  loop_.post([listener = listener_, event] { listener(event); });
}

void RespConnection::expect(Expectation expectation) {
  if (state_ == State::kClosed || self_.expected == expectation) return;
  self_.expected = std::move(expectation);
  const KnownServer* known = self_.known();
  const bool is_it = known != nullptr && !self_.mark.empty() &&
                     self_.mark == encode_mark({.vdisk = self_.expected->vdisk,
                                                .server = known->server,
                                                .since = known->since});
  if (!is_it && !self_.is_writer) return look_again();
  if (state_ == State::kUp && healthy_) {
    health_->set(standing(), std::string(state_name(standing())));
  }
}

// A handshake is the one place where it is decided who the server is.
void RespConnection::look_again() {
  if (state_ == State::kUp || state_ == State::kHandshake || state_ == State::kRefused) reconnect();
}

void RespConnection::reconnect() {
  auto self = shared_from_this();
  const bool was_up = state_ == State::kUp;
  disconnect();
  health_->set(StoreState::kConnecting, std::string(state_name(StoreState::kConnecting)));
  loop_.cancel_timer(retry_timer_);
  retry_timer_ = 0;
  connect();
  const Error again = within(Error(Code::kUnavailable, "the connection is made anew"));
  if (was_up) fail_all(again, again);
}

void RespConnection::enroll(Epoch epoch, ServerIdentity::Listener listener) {
  self_.is_writer = true;
  self_.epoch = epoch;
  self_.may_mark_anew = false;
  self_.held.reset();
  listener_ = std::move(listener);
  has_told_ = false;
  if (state_ == State::kClosed || state_ == State::kWaiting) {
    return tell({.kind = ServerEvent::Kind::kUnreachable, .server = {}});
  }
  look_again();
}

void RespConnection::vouch(std::uint64_t doubt) {
  if (doubt != doubt_ || !is_doubted_) return;
  is_doubted_ = false;
  if (state_ == State::kUp) note(LogLevel::kInfo, standing(), std::string(state_name(standing())));
}

void RespConnection::settle(const std::string& run) {
  if (state_ != State::kUp || !self_.is_writer || self_.run_id != run) return;
  auto request = std::make_unique<RespRequest>();
  request->head = encode_command({"HSET", control_key(options_.vdisk), kRunField, run});
  request->done = [](const Result<RespReply>&) {};  // a failure makes the next writer look again
  submit(std::move(request));
}

void RespConnection::readopt() {
  if (!self_.is_writer || state_ == State::kClosed) return;
  self_.may_mark_anew = true;
  if (state_ == State::kRefused) look_again();
}

void RespConnection::lost_its_mark(const Error& error) {
  if (state_ == State::kUp) refuse(error, StoreState::kWiped);
}

void RespConnection::hold(EpochClaim claim) {
  self_.held = std::move(claim);
  // A handshake sets the marks where the claim has not.
  if (state_ != State::kUp || self_.granted != self_.held->epoch) look_again();
}

void RespConnection::retire() {
  if (state_ == State::kClosed) return;
  self_.is_writer = false;
  self_.may_mark_anew = false;
  self_.held.reset();
  listener_ = {};
  is_doubted_ = false;
  // What a writer must not use may be good enough for reading. And what its handshake has begun
  // to find out, or to mark, is nobody's any more.
  if (state_ == State::kRefused || state_ == State::kHandshake) look_again();
}

void RespConnection::fenced(const std::string& by) {
  if (state_ == State::kUp) refuse(fenced_error(self_.held_epoch(), by), StoreState::kFenced);
}

// The connection is up: is it the same life of the server as before?
void RespConnection::notice_restart() {
  const std::string& run_id = handshake_->info().run_id;
  const bool is_first = self_.run_id.empty();
  const bool restarted = !is_first && self_.run_id != run_id;
  self_.run_id = run_id;
  if (!self_.is_writer || self_.mark.empty()) return;
  if (handshake_->marked_anew()) is_doubted_ = false;  // it is known to have lost everything
  if (restarted && !handshake_->marked_anew()) {
    is_doubted_ = true;
    ++doubt_;
  }
  tell({.kind = ServerEvent::Kind::kEnrolled,
        .server = self_.marked,
        .restarted = handshake_->restarted(),
        .run = run_id,
        .doubt = is_doubted_ ? doubt_ : 0});
  if (is_doubted_) tell({.kind = ServerEvent::Kind::kRestarted, .server = {}, .doubt = doubt_});
}

// Puts that waited for the connection of a server that, as it turns out, does not count.
std::deque<std::unique_ptr<RespRequest>> RespConnection::take_what_must_count() {
  std::deque<std::unique_ptr<RespRequest>> taken;
  if (!is_doubted_) return taken;
  std::deque<std::unique_ptr<RespRequest>> kept;
  for (auto& request : requests_) {
    (request->must_count ? taken : kept).push_back(std::move(request));
  }
  requests_ = std::move(kept);
  return taken;
}

}  // namespace tlog::store
