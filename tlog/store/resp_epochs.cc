#include "tlog/store/resp_epochs.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace tlog::store {
namespace {

// One reading, with what was to be set before it: the first error of any of them is the answer.
class Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(RespChecks& checks, std::string vdisk, EpochMarksDone done)
      : checks_(checks.shared_from_this()), vdisk_(std::move(vdisk)), done_(std::move(done)) {}

  void set(std::string command) {
    submit(std::move(command), [self = shared_from_this()](Result<RespReply> reply) {
      if (reply && reply->type == RespReply::Type::kInteger) return;
      self->note(reply ? self->checks_->connection().unexpected(*reply) : reply.error());
    });
  }

  void read() {
    submit(encode_command({"HGETALL", control_key(vdisk_)}),
           [self = shared_from_this()](Result<RespReply> reply) {
             if (reply) {
               self->take(*reply);
             } else {
               self->note(reply.error());
             }
             if (self->error_ || !self->checks_->needed()) self->finish();
           });
    // Of a server that has lost its mark meanwhile no mark counts.
    if (!checks_->needed()) return;
    checks_->add([self = shared_from_this()](const Status& mark) {
      if (!mark) self->note(mark.error());
      self->finish();
    });
  }

 private:
  void submit(std::string command, ReplyDone done) {
    auto request = std::make_unique<RespRequest>();
    request->head = std::move(command);
    request->done = std::move(done);
    checks_->connection().submit(std::move(request));
  }
  void take(const RespReply& reply) {
    if (reply.type != RespReply::Type::kArray || reply.elements.size() % 2 != 0) {
      return note(checks_->connection().unexpected(reply));
    }
    for (std::size_t i = 0; i < reply.elements.size(); i += 2) {
      take_epoch_mark(reply.elements[i].value_text(), reply.elements[i + 1].value_text(), marks_);
    }
  }
  void note(Error error) {
    if (!error_) error_ = std::move(error);
  }
  void finish() {
    if (!done_) return;
    auto done = std::exchange(done_, {});
    if (error_) return done(fail(*error_));
    done(std::move(marks_));
  }

  const std::shared_ptr<RespChecks> checks_;
  const std::string vdisk_;
  EpochMarksDone done_;
  EpochMarks marks_;
  std::optional<Error> error_;
};

}  // namespace

std::vector<std::string> claim_commands(const std::string& vdisk, const EpochClaim& claim,
                                        bool again) {
  const std::string key = control_key(vdisk);
  std::vector<std::string> commands;
  for (Epoch epoch : claim.close) {
    commands.push_back(encode_command({"HSETNX", key, closed_field(epoch), claim.owner}));
  }
  if (claim.epoch != 0) {
    commands.push_back(
        encode_command({again ? "HSET" : "HSETNX", key, claim_field(claim.epoch), claim.owner}));
  }
  if (claim.forget != 0)
    commands.push_back(encode_command({"HDEL", key, claim_field(claim.forget)}));
  return commands;
}

void read_epochs(RespChecks& checks, const std::string& vdisk, EpochMarksDone done) {
  std::make_shared<Reading>(checks, vdisk, std::move(done))->read();
}

void claim_epoch(RespChecks& checks, const std::string& vdisk, const EpochClaim& claim,
                 EpochMarksDone done) {
  auto granted = [connection = checks.shared_connection(), epoch = claim.epoch, owner = claim.owner,
                  done = std::move(done)](Result<EpochMarks> marks) {
    if (marks && epoch != 0) {
      auto holder = marks->claims.find(epoch);
      if (holder != marks->claims.end() && holder->second == owner) connection->granted(epoch);
    }
    done(std::move(marks));
  };
  auto reading = std::make_shared<Reading>(checks, vdisk, std::move(granted));
  for (std::string& command : claim_commands(vdisk, claim, false)) reading->set(std::move(command));
  reading->read();
}

}  // namespace tlog::store
