#include "tlog/store/resp_checks.h"

#include <utility>

namespace tlog::store {

void RespChecks::add(Done done) {
  waiting_.push_back(std::move(done));
  if (waiting_.size() == 1) loop_.post([self = shared_from_this()] { self->ask(); });
}

void RespChecks::ask() {
  auto request = std::make_unique<RespRequest>();
  request->head = encode_command({"HGET", control_key(vdisk_), kMarkField});
  request->done = [self = shared_from_this(),
                   waiting = std::exchange(waiting_, {})](Result<RespReply> reply) {
    const Status verdict = self->verdict(reply);
    for (const Done& done : waiting) done(verdict);
  };
  connection_->submit(std::move(request));
}

Status RespChecks::verdict(const Result<RespReply>& reply) {
  if (!reply) return fail(reply.error());
  const std::string& mark = connection_->self().mark;
  if (reply->type == RespReply::Type::kString && reply->value_text() == mark && !mark.empty()) {
    return {};
  }
  if (reply->type != RespReply::Type::kString && reply->type != RespReply::Type::kNil) {
    return fail(connection_->unexpected(*reply));
  }
  // A writer whose server was not marked: it came up before it was told to mark it.
  if (mark.empty()) {
    return fail(Code::kUnavailable, connection_->name() + ": it has not been marked yet");
  }
  const Error error = wiped_error(reply->type == RespReply::Type::kNil
                                      ? "it has lost the vdisk's mark while it was in use"
                                      : "it was emptied and marked again while it was in use");
  connection_->lost_its_mark(error);
  return fail(error.within(connection_->name()));
}

}  // namespace tlog::store
