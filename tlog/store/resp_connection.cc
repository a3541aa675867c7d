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

bool is_ok(const RespReply& reply) {
  return reply.type == RespReply::Type::kStatus && reply.text == "OK";
}

Status must_be_ok(const RespReply& reply) {
  if (is_ok(reply)) return {};
  if (reply.type == RespReply::Type::kError) return fail(error_of_reply(reply.text));
  return fail(Code::kUnavailable, "the server answered something else than OK");
}

}  // namespace

void RespHealth::set(bool usable, std::string condition) {
  MutexLock lock(mutex_);
  usable_ = usable;
  condition_ = std::move(condition);
}

void RespHealth::copy_to(StoreStatus& status) const {
  status.put_bytes = put_bytes;
  status.get_bytes = get_bytes;
  status.errors = errors;
  status.queued_bytes = queued_bytes;
  MutexLock lock(mutex_);
  status.usable = usable_;
  status.condition = condition_;
}

RespConnection::RespConnection(RespStoreOptions options, std::string name, io::Loop& loop,
                               Logger& logger, std::shared_ptr<RespHealth> health)
    : options_(std::move(options)),
      name_(std::move(name)),
      loop_(loop),
      logger_(logger),
      health_(std::move(health)) {}

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
                    return self->refuse(socket.error());
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
  if (!options_.password.empty()) say(encode_command({"AUTH", options_.password}), must_be_ok);
  if (!options_.db.empty() && options_.db != "0")
    say(encode_command({"SELECT", options_.db}), must_be_ok);
  say(encode_command({"INFO"}), [this](const RespReply& reply) { return check_info(reply); });
  arm_deadline();
}

void RespConnection::say(std::string command, RespCheck check) {
  sayings_.push_back(std::move(command));
  greetings_.push_back(std::move(check));
  socket_->send({bytes_of(std::string_view(sayings_.back()))}, [](const Status&) {});
}

Status RespConnection::check_info(const RespReply& reply) {
  if (reply.type == RespReply::Type::kError) return fail(error_of_reply(reply.text));
  if (reply.type != RespReply::Type::kString)
    return fail(Code::kUnavailable, "INFO was not answered with text");
  ServerInfo info = parse_info(reply.value_text());
  TLOG_TRY(check_server(info));
  // ardb leaves Nagle's algorithm on: without quick acknowledgements a pipeline crawls at 40 ms a
  // step.
  if (info.is_ardb) socket_->set_quick_ack(true);
  TLOG_TRY(check_eviction_policy(info.eviction_policy));
  if (info.eviction_policy.empty() && !info.is_ardb) {
    say(encode_command({"CONFIG", "GET", "maxmemory-policy"}),
        [this](const RespReply& policy) { return check_policy(policy); });
  }
  if (greeter_) greeter_(*this, info);
  return {};
}

Status RespConnection::check_policy(const RespReply& reply) {
  if (reply.type == RespReply::Type::kArray && reply.elements.size() == 2) {
    return check_eviction_policy(reply.elements[1].value_text());
  }
  // A server without such a setting has no eviction to speak of; one that hides it is the
  // operator's word.
  if (reply.type == RespReply::Type::kArray || reply.type == RespReply::Type::kError) return {};
  return fail(Code::kUnavailable, "CONFIG GET was not answered with a list");
}

void RespConnection::greeted(const RespReply& reply) {
  auto check = std::move(greetings_.front());
  greetings_.pop_front();
  Status status = check(reply);
  if (!status) {
    if (status.error().code() == Code::kInvalidArgument) return refuse(status.error());
    return drop(status.error());
  }
  if (greetings_.empty()) up();
}

void RespConnection::up() {
  state_ = State::kUp;
  backoff_ns_ = 0;
  healthy_ = true;
  note(LogLevel::kInfo, true, "up");
  for (auto& request : requests_) send(*request);
  arm_deadline();
}

// ---- Requests and replies ----

void RespConnection::submit(std::unique_ptr<RespRequest> request) {
  request->submitted_ns = now_ns();
  if (state_ == State::kClosed) {
    return finish(std::move(request),
                  fail(within(Error(Code::kShutdown, "the store has been closed"))));
  }
  if (state_ == State::kRefused) return finish(std::move(request), fail(within(last_error_)));
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
  if (state_ == State::kHandshake && !greetings_.empty()) return greeted(reply);
  if (state_ != State::kUp || requests_.empty()) {
    // Like "-ERR max number of clients reached" before the end.
    if (reply.type == RespReply::Type::kError) return drop(error_of_reply(reply.text));
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
  if (reply.type != RespReply::Type::kError) {
    if (!healthy_) health_->set(true, "up");
    healthy_ = true;
    return finish(std::move(request), std::move(reply));
  }
  Error error = error_of_reply(reply.text);
  bool is_full = error.code() == Code::kNoSpace;
  healthy_ = false;
  health_->set(false, is_full ? "no space: " + error.message() : error.message());
  finish(std::move(request), fail(within(error)));
  // Of a server that is configured otherwise now, or that did not understand us, nothing more is
  // believed.
  bool distrusted = error.code() == Code::kInvalidArgument || error.code() == Code::kIoError;
  if (distrusted && state_ == State::kUp) drop(error);
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
  greetings_.clear();
  if (socket_) {
    socket_->close();  // from here on it refers to no request's memory
    socket_.reset();
  }
  parser_.reset();
  sayings_.clear();
}

void RespConnection::drop(const Error& reason) {
  if (state_ == State::kClosed) return;
  if (reason.code() == Code::kShutdown) return close();  // the loop stops: there is no later
  bool was_up = state_ == State::kUp;
  auto self = shared_from_this();
  disconnect();
  last_error_ = Error(reason.code() == Code::kTimeout ? Code::kTimeout : Code::kUnavailable,
                      reason.message());
  note(was_up ? LogLevel::kWarning : LogLevel::kInfo, false, "down: " + reason.message());
  retry_later();
  // What was sent may or may not have been done. What waits for a connection goes on waiting.
  if (was_up) fail_all(within(last_error_), within(Error(Code::kUnavailable, reason.message())));
}

void RespConnection::refuse(const Error& reason) {
  auto self = shared_from_this();
  disconnect();
  last_error_ = Error(Code::kInvalidArgument, reason.message());
  note(LogLevel::kError, false, "refused: " + reason.message());
  backoff_ns_ = options_.backoff_max_ns;  // a person has to act first
  retry_later();
  state_ = State::kRefused;
  fail_all(within(last_error_), within(last_error_));
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

void RespConnection::note(LogLevel level, bool usable, const std::string& condition) {
  health_->set(usable, condition);
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
  health_->set(false, "closed");
  Error closed = within(Error(Code::kShutdown, "the store has been closed"));
  fail_all(closed, closed);
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
