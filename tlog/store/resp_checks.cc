#include "tlog/store/resp_checks.h"

#include <utility>

namespace tlog::store {
namespace {

// How long a writer that writes nothing may not know that it was fenced.
constexpr std::uint64_t kWatchEveryNs = 1'000'000'000;

}  // namespace

void RespChecks::add(Done done) {
  waiting_.push_back(std::move(done));
  if (waiting_.size() == 1) loop_.before_sending([self = shared_from_this()] { self->ask(); });
}

void RespChecks::ask() {
  auto request = std::make_unique<RespRequest>();
  asked_ = true;
  const Epoch epoch = connection_->self().held_epoch();
  request->head = encode_command({"HMGET", control_key(vdisk_), kMarkField, closed_field(epoch)});
  request->done = [self = shared_from_this(), epoch,
                   waiting = std::exchange(waiting_, {})](Result<RespReply> reply) {
    const Status verdict = self->verdict(reply, epoch);
    for (const Done& done : waiting) done(verdict);
  };
  connection_->submit(std::move(request));
}

Status RespChecks::verdict(const Result<RespReply>& reply, Epoch epoch) {
  if (!reply) return fail(reply.error());
  auto is_field = [](const RespReply& element) {
    return element.type == RespReply::Type::kString || element.type == RespReply::Type::kNil;
  };
  if (reply->type != RespReply::Type::kArray || reply->elements.size() != 2 ||
      !is_field(reply->elements[0]) || !is_field(reply->elements[1])) {
    return fail(connection_->unexpected(*reply));
  }
  const RespReply& found = reply->elements[0];
  // The writer that asked may have retired meanwhile: its epoch is nobody's matter any more.
  const bool is_of_writer = epoch != 0 && epoch == connection_->self().held_epoch();
  const RespReply& closed = reply->elements[1];
  if (is_of_writer && closed.type == RespReply::Type::kString) {
    const std::string by(closed.value_text());
    connection_->fenced(by);
    return fail(fenced_error(epoch, by).within(connection_->name()));
  }
  const std::string& mark = connection_->self().mark;
  if (found.type == RespReply::Type::kString && found.value_text() == mark && !mark.empty()) {
    return {};
  }
  // A writer whose server was not marked: it came up before it was told to mark it.
  if (mark.empty()) {
    return fail(Code::kUnavailable, connection_->name() + ": it has not been marked yet");
  }
  const Error error = wiped_error(found.type == RespReply::Type::kNil
                                      ? "it has lost the vdisk's mark while it was in use"
                                      : "it was emptied and marked again while it was in use");
  connection_->lost_its_mark(error);
  return fail(error.within(connection_->name()));
}

void RespChecks::watch() {
  if (watch_timer_ != 0 || connection_->is_closed()) return;
  asked_ = false;
  watch_timer_ = loop_.add_timer(kWatchEveryNs, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->watch_timer_ = 0;
    if (!self->asked_ && self->connection_->is_up()) self->add([](const Status&) {});
    self->watch();
  });
}

void RespChecks::stop_watching() {
  if (watch_timer_ != 0) loop_.cancel_timer(watch_timer_);
  watch_timer_ = 0;
}

}  // namespace tlog::store
