#include "tlog/store/resp_connection.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/clock.h"
#include "tlog/base/random.h"

namespace tlog::store {
namespace {

// A server that answers something now and then, but never gets to the end of what was asked, is too
// slow after this many request timeouts.
constexpr std::uint64_t kAgeFactor = 3;

std::uint64_t now_ns() {
  return system_clock().monotonic_ns();
}

}  // namespace

RespConnection::RespConnection(RespStoreOptions options, std::string name, io::Loop& loop,
                               Logger& logger, std::shared_ptr<RespHealth> health)
    : options_(std::move(options)),
      name_(std::move(name)),
      loop_(loop),
      logger_(logger),
      health_(std::move(health)) {
  health_->begin(name_);
}

void RespConnection::open() {
  connect();
}

// ---- Connecting and the handshake ----

void RespConnection::connect() {
  retry_timer_ = 0;
  state_ = State::kConnecting;
  std::uint64_t attempt = ++attempt_;
  loop_.connect(options_.address, options_.connect_timeout_ns,
                [self = shared_from_this(), attempt](Result<std::unique_ptr<io::Socket>> socket) {
                  if (attempt != self->attempt_ || self->state_ != State::kConnecting) return;
                  if (socket) return self->connected(std::move(*socket));
                  // An address that cannot be one is the user's to change; all else may pass.
                  if (socket.error().code() == Code::kInvalidArgument)
                    return self->refuse(socket.error(), StoreState::kRefused);
                  self->drop(socket.error());
                });
}

void RespConnection::connected(std::unique_ptr<io::Socket> socket) {
  socket_ = std::move(socket);
  parser_ = std::make_unique<RespParser>();
  std::uint64_t attempt = attempt_;
  auto self = shared_from_this();
  socket_->start({[self, attempt](ConstByteSpan bytes) {
                    if (attempt == self->attempt_) self->received(bytes);
                  },
                  [self, attempt](Error error) {
                    if (attempt == self->attempt_) self->drop(error);
                  }});
  begin_handshake();
}

void RespConnection::begin_handshake() {
  state_ = State::kHandshake;
  progress_ns_ = now_ns();
  handshake_ = std::make_unique<RespHandshake>(options_, self_, [this](ConstByteSpan bytes) {
    socket_->send({bytes}, [](const Status&) {});
  });
  if (greeter_) {
    handshake_->on_usable([this](const ServerInfo& info) { greeter_(*this, info); });
  }
  handshake_->begin();
  arm_deadline();
}

void RespConnection::greeted(const RespReply& reply) {
  const std::uint64_t attempt = attempt_;
  std::optional<Refusal> refusal = handshake_->take(reply);
  if (attempt != attempt_) return;  // the check has ended the connection
  // ardb leaves Nagle's algorithm on: without quick acknowledgements a pipeline crawls at 40 ms a
  // step.
  if (handshake_->info().is_ardb) socket_->set_quick_ack(true);
  if (refusal && refusal->lasts) return refuse(refusal->error, refusal->state);
  if (refusal) return drop(refusal->error, refusal->state);
  if (handshake_->done()) up();
}

void RespConnection::up() {
  state_ = State::kUp;
  healthy_ = true;
  put_failed_ = false;
  notice_restart();
  health_->set_server(self_.server.is_nil() ? "" : self_.server.text(), handshake_->warning());
  if (handshake_->warning() != warned_) {
    warned_ = handshake_->warning();
    logger_.warning(fmt::format("event=store store=\"{}\" warning=\"{}\"", name_, warned_));
  }
  note(standing() == StoreState::kUp ? LogLevel::kInfo : LogLevel::kWarning, standing(),
       std::string(state_name(standing())));
  auto refused = take_what_must_count();
  for (auto& request : requests_) send(*request);
  arm_deadline();
  for (auto& request : refused) finish(std::move(request), fail(within(suspect_error())));
}

// ---- Requests and replies ----

void RespConnection::submit(std::unique_ptr<RespRequest> request) {
  request->submitted_ns = now_ns();
  if (state_ == State::kClosed) {
    return finish(std::move(request),
                  fail(within(Error(Code::kShutdown, "the store has been closed"))));
  }
  if (state_ == State::kRefused) return finish(std::move(request), fail(within(last_error_)));
  if (state_ == State::kUp && is_doubted_ && request->must_count) {
    return finish(std::move(request), fail(within(suspect_error())));
  }
  requests_.push_back(std::move(request));
  if (state_ == State::kUp) send(*requests_.back());
  arm_deadline();
}

void RespConnection::send(RespRequest& request) {
  std::vector<ConstByteSpan> pieces;
  pieces.reserve(request.payload.size() + 2);
  pieces.push_back(bytes_of(std::string_view(request.head)));
  if (!request.payload.empty()) {
    pieces.insert(pieces.end(), request.payload.begin(), request.payload.end());
    pieces.push_back(bytes_of(kLineEnd));
  }
  // The request outlives this: it ends after its reply, or after disconnect() has taken the send
  // back.
  socket_->send(std::move(pieces),
                [&request](const Status& status) { request.is_sent = status.has_value(); });
}

void RespConnection::received(ConstByteSpan bytes) {
  progress_ns_ = now_ns();
  std::uint64_t attempt = attempt_;
  if (Status fed = parser_->feed(bytes); !fed) return drop(fed.error());
  for (;;) {
    auto reply = parser_->next();
    if (!reply) return drop(reply.error());
    if (!*reply) return;
    take_reply(std::move(**reply));
    if (attempt != attempt_ || !socket_) return;  // dropped meanwhile: what else came is void
  }
}

void RespConnection::take_reply(RespReply reply) {
  if (state_ == State::kHandshake && !handshake_->done()) return greeted(reply);
  if (state_ != State::kUp || requests_.empty()) {
    // Like "-ERR max number of clients reached" before the end.
    if (reply.type == RespReply::Type::kError)
      return drop(error_of_reply(reply.text), state_of_reply(reply.text));
    return drop(Error(Code::kUnavailable, "a reply that nobody asked for"));
  }
  if (!requests_.front()->is_sent) {
    // The socket still refers to its memory, so it must not be finished before the connection is
    // gone.
    return drop(
        Error(Code::kUnavailable, "a reply to a command that was not sent yet: " + reply.text));
  }
  std::unique_ptr<RespRequest> request = std::move(requests_.front());
  requests_.pop_front();
  const bool is_put = !request->payload.empty();
  if (reply.type != RespReply::Type::kError) {
    if (is_put) put_failed_ = false;
    if (!healthy_ && !put_failed_) health_->set(standing(), std::string(state_name(standing())));
    healthy_ = !put_failed_;
    backoff_ns_ = 0;  // only now: a server that greets and hangs up is not tried without a pause
    return finish(std::move(request), std::move(reply));
  }
  const Error error = error_of_reply(reply.text);
  const StoreState means = state_of_reply(reply.text);
  healthy_ = false;
  put_failed_ = put_failed_ || is_put;
  health_->set(means, fmt::format("{}: {}", state_name(means), error.message()));
  finish(std::move(request), fail(within(error)));
  if (state_ != State::kUp) return;
  // Of a server that is configured otherwise now, or that did not understand us, nothing more is
  // believed.
  if (error.code() == Code::kInvalidArgument) return refuse(error, means);
  if (error.code() == Code::kIoError) drop(error, means);
}

Error RespConnection::unexpected(const RespReply& reply) {
  Error error(Code::kUnavailable, fmt::format("a reply of kind {} that the command cannot have",
                                              static_cast<int>(reply.type)));
  if (state_ == State::kUp) drop(error);
  return within(error);
}

void RespConnection::finish(std::unique_ptr<RespRequest> request, Result<RespReply> result) {
  health_->queued_bytes -= request->queued_bytes;
  if (!result) ++health_->errors;
  request->done(std::move(result));
}

void RespConnection::fail_all(const Error& first, const Error& others) {
  auto requests = std::move(requests_);
  requests_.clear();
  bool is_first = true;
  for (auto& request : requests) {
    finish(std::move(request), fail(is_first ? first : others));
    is_first = false;
  }
}

// ---- The end of a connection, and the next one ----

void RespConnection::disconnect() {
  ++attempt_;  // callbacks of this connection that are still to come mean nothing
  if (socket_) {
    socket_->close();  // from here on it refers to no request's memory
    socket_.reset();
  }
  parser_.reset();
  handshake_.reset();
  self_.granted = 0;
}

void RespConnection::drop(const Error& reason, StoreState state) {
  if (state_ == State::kClosed) return;
  if (reason.code() == Code::kShutdown) return close();  // the loop stops: there is no later
  bool was_up = state_ == State::kUp;
  auto self = shared_from_this();
  disconnect();
  last_error_ = Error(reason.code() == Code::kTimeout ? Code::kTimeout : Code::kUnavailable,
                      reason.message());
  note(was_up ? LogLevel::kWarning : LogLevel::kInfo, state,
       fmt::format("{}: {}", state_name(state), reason.message()));
  retry_later();
  if (!has_told_) tell({.kind = ServerEvent::Kind::kUnreachable, .server = {}});
  // What was sent may or may not have been done. What waits for a connection goes on waiting.
  if (was_up) fail_all(within(last_error_), within(Error(Code::kUnavailable, reason.message())));
}

void RespConnection::refuse(const Error& reason, StoreState state) {
  if (state_ == State::kClosed) return;
  auto self = shared_from_this();
  disconnect();
  const bool keeps_code = reason.code() == Code::kUnavailable || reason.code() == Code::kFenced;
  last_error_ = Error(keeps_code ? reason.code() : Code::kInvalidArgument, reason.message());
  std::string condition = reason.message();
  if (!condition.starts_with(state_name(state))) {
    condition = fmt::format("{}: {}", state_name(state), condition);
  }
  note(LogLevel::kError, state, condition);
  backoff_ns_ = options_.backoff_max_ns;  // a person has to act first
  retry_later();
  state_ = State::kRefused;
  if (state == StoreState::kWiped) {
    tell({.kind = ServerEvent::Kind::kWiped, .server = {}});
  } else if (state == StoreState::kFenced) {
    tell({.kind = ServerEvent::Kind::kFenced, .server = {}, .by = reason.message()});
  } else if (!has_told_) {
    tell({.kind = ServerEvent::Kind::kUnreachable, .server = {}});
  }
  fail_all(within(last_error_), within(last_error_));
}

void RespConnection::move_to(RespStoreOptions options) {
  if (state_ == State::kClosed) return;
  const bool elsewhere = options.address != options_.address || options.db != options_.db ||
                         options.password != options_.password;
  options.vdisk = options_.vdisk;  // whose shards it keeps is not a matter of where
  options_ = std::move(options);
  if (!elsewhere) return;
  name_ = name_of(options_);
  health_->begin(name_);
  backoff_ns_ = 0;
  reconnect();
}

void RespConnection::retry_later() {
  state_ = State::kWaiting;
  backoff_ns_ = std::clamp(backoff_ns_ * 2, options_.backoff_min_ns, options_.backoff_max_ns);
  // Between half and all of it, so that the clients of a server that comes back do not all come at
  // once.
  std::uint64_t half = backoff_ns_ / 2;
  std::uint64_t wait = half + system_random().next_u64() % (half + 1);
  retry_timer_ = loop_.add_timer(wait, [self = shared_from_this()] { self->connect(); });
}

void RespConnection::note(LogLevel level, StoreState state, const std::string& condition) {
  health_->set(state, condition);
  if (condition == noted_) return;
  noted_ = condition;
  logger_.write(level, fmt::format("event=store store=\"{}\" condition=\"{}\"", name_, condition));
}

void RespConnection::close() {
  if (state_ == State::kClosed) return;
  auto self = shared_from_this();
  disconnect();
  state_ = State::kClosed;
  loop_.cancel_timer(retry_timer_);
  loop_.cancel_timer(deadline_timer_);
  listener_ = {};
  health_->set(StoreState::kClosed, "closed");
  Error closed = within(Error(Code::kShutdown, "the store has been closed"));
  fail_all(closed, closed);
}

void RespConnection::overflow() {
  if (state_ != State::kUp) return;
  drop(Error(Code::kUnavailable, fmt::format("too slow: more than {} MiB wait for it",
                                             options_.queued_bytes_max / kMiB)));
}

// ---- Deadlines ----

// When something is late, if there is anything to wait for.
std::optional<std::uint64_t> RespConnection::next_deadline() const {
  std::uint64_t timeout = options_.request_timeout_ns;
  std::optional<std::uint64_t> deadline;
  if (state_ == State::kHandshake) deadline = progress_ns_ + timeout;
  if (requests_.empty()) return deadline;
  std::uint64_t submitted = requests_.front()->submitted_ns;
  if (state_ != State::kUp)
    return std::min(deadline.value_or(submitted + timeout), submitted + timeout);
  // A long pipeline is not late while the server keeps answering.
  return std::min(std::max(submitted, progress_ns_) + timeout, submitted + kAgeFactor * timeout);
}

void RespConnection::arm_deadline() {
  std::optional<std::uint64_t> deadline = next_deadline();
  if (deadline_timer_ != 0 || !deadline) return;
  std::uint64_t now = now_ns();
  std::uint64_t wait = *deadline > now ? *deadline - now : 0;
  deadline_timer_ = loop_.add_timer(wait, [self = shared_from_this()] {
    self->deadline_timer_ = 0;
    self->check_deadlines();
  });
}

void RespConnection::check_deadlines() {
  if (state_ == State::kClosed) return;
  std::uint64_t now = now_ns();
  std::uint64_t timeout = options_.request_timeout_ns;
  bool greets_late = state_ == State::kHandshake && progress_ns_ + timeout <= now;
  bool answers_late = state_ == State::kUp && next_deadline().value_or(now + 1) <= now;
  if (greets_late || answers_late) {
    drop(Error(Code::kTimeout, fmt::format("no reply within {} ms", timeout / 1'000'000)));
  }
  while (state_ != State::kUp && !requests_.empty() &&
         requests_.front()->submitted_ns + timeout <= now) {
    std::unique_ptr<RespRequest> request = std::move(requests_.front());
    requests_.pop_front();
    finish(std::move(request), fail(within(last_error_)));
  }
  arm_deadline();
}

}  // namespace tlog::store
