#include "tlog/blocks/block_server.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/blocks/server_change.h"

namespace tlog::blocks {
namespace {

// Of readers, on one connection: while so many are under way, others gather for the next.
constexpr unsigned kCommandsMax = 2;

using store::encode_command;
using store::RespReply;

}  // namespace

BlockServer::BlockServer(Options options, io::Loop& loop, Logger& logger)
    : options_(std::move(options)),
      key_(options_.layout.key()),
      name_(store::name_of(options_.connection)),
      loop_(loop),
      logger_(logger),
      connection_(std::make_shared<store::RespConnection>(options_.connection, name_.get(), loop,
                                                          logger, health_)),
      follows_(options_.follows),
      needed_(options_.needed),
      possible_(options_.possible) {}

void BlockServer::open() {
  loop_.post([weak = weak_from_this(), self = shared_from_this()] {
    // The connection must not keep its owner: close() would come too late.
    self->connection_->set_greeter(
        [weak](store::RespConnection& connection, const store::ServerInfo& info) {
          if (auto server = weak.lock()) server->greet(connection, info);
        });
    self->connection_->open();
  });
}

void BlockServer::close() {
  loop_.post([self = shared_from_this()] { self->connection_->close(); });
}

void BlockServer::move_to(const store::RespStoreOptions& connection) {
  name_.change(store::name_of(connection));
  loop_.post([self = shared_from_this(), connection] { self->connection_->move_to(connection); });
}

std::optional<Lacking> BlockServer::lacking() const {
  MutexLock lock(mutex_);
  return lacking_;
}

PartStatus BlockServer::status() const {
  PartStatus part;
  health_->copy_to(part.server);
  if (part.server.state != store::StoreState::kUp) return part;
  part.server.usable = usable_ && !changes_fail_;
  MutexLock lock(mutex_);
  if (follows_) {
    if (!part.server.usable) part.server.condition = "it follows the log, and has not answered yet";
    return part;
  }
  if (!lacking_) {
    if (!part.server.usable) part.server.condition = "its last answer was no good, tried again";
    return part;
  }
  part.has = lacking_->has;
  part.wanted = lacking_->wanted;
  part.server.usable = false;
  part.server.state = store::StoreState::kRebuilding;
  part.server.condition = fmt::format(
      "it lost blocks it had confirmed and is refilled from the log, at sequence {} of "
      "{}; its blocks cannot be read until then",
      part.has, part.wanted);
  return part;
}

// ---- What it lacks ----

void BlockServer::assess(const ServerRecord& record) {
  if (record.id && record.applied.sequence >= needed_) return note_current();
  note_lacking(record.id ? record.applied.sequence : 0);
}

void BlockServer::note_lacking(Sequence has) {
  usable_ = false;
  Lacking lacking{.server = options_.number, .name = name(), .has = has, .wanted = needed_};
  MutexLock lock(mutex_);
  const bool comes_on = lacks_ && lacking_ && lacking_->has <= has && lacking_->wanted == needed_;
  lacks_ = true;
  lacking_ = lacking;
  if (comes_on || follows_) return;  // it is being refilled, or has nothing to lack
  logger_.error(fmt::format(
      "event=blocks_lacking vdisk={} store=\"{}\" has={} wanted={} next=\"refilled from "
      "the log\"",
      options_.layout.vdisk, name(), has, needed_));
}

void BlockServer::note_current() {
  lacks_ = false;
  usable_ = true;
  MutexLock lock(mutex_);
  lacking_.reset();
}

Error BlockServer::lacks_error() const {
  Sequence has = 0;
  {
    MutexLock lock(mutex_);
    if (lacking_) has = lacking_->has;
  }
  return Error(
      Code::kUnavailable,
      fmt::format("{}: it has the blocks up to sequence {} of the {} it had confirmed (it was "
                  "emptied, or restarted without its newest writes) and is being refilled from the "
                  "log; if that does not end, `tlogplay restore {} --to vdisk:NEW`",
                  name(), has, needed_, options_.layout.vdisk));
}

Status BlockServer::check_owner(const ServerRecord& record) const {
  if (record.id) TLOG_TRY(check_id(options_.layout, options_.number, *record.id));
  if (record.writer > options_.epoch) {
    return fail(Code::kInvalidArgument,
                fmt::format("another writer (epoch {}) has taken vdisk '{}' over, this one has "
                            "epoch {}; stop this one",
                            record.writer, options_.layout.vdisk, options_.epoch));
  }
  return {};
}

Status BlockServer::trust(const ServerRecord& record, Sequence needed) {
  if (Status owned = check_owner(record); !owned) {
    usable_ = false;
    return fail(owned.error().within(name()));
  }
  if (!record.id || record.applied.sequence < needed) {
    note_lacking(record.id ? record.applied.sequence : 0);
    return fail(lacks_error());
  }
  return {};
}

// ---- Refilling ----

Error BlockServer::other_than_left_error() const {
  return Error(Code::kUnavailable,
               fmt::format("{}: it does not have what its refilling had brought it to: it was "
                           "emptied or set back again meanwhile; its refilling begins anew",
                           name()));
}

void BlockServer::begin_refill(Sequence has, ChangeDone done) {
  auto look = [self = shared_from_this(), has,
               done = std::move(done)](const Result<RespReply>& reply) {
    if (!reply) return done(fail(reply.error()));
    auto record = parse_record(*reply);
    if (!record) return done(fail(self->connection_->unexpected(*reply)));
    if (Status owned = self->check_owner(*record); !owned)
      return done(fail(owned.error().within(self->name())));
    const Sequence there = record->id ? record->applied.sequence : 0;
    if (there == has && !record->id) return self->wipe(done);
    self->assess(*record);
    done(there == has ? Status() : fail(self->other_than_left_error()));
  };
  loop_.post([self = shared_from_this(), look = std::move(look)]() mutable {
    self->submit(self->record_command(0), std::move(look));
  });
}

void BlockServer::start_over(ChangeDone done) {
  loop_.post([self = shared_from_this(), done = std::move(done)] { self->wipe(done); });
}

void BlockServer::ask_position(PositionDone done) {
  std::string command = record_command(1);
  store::append_word(command, kChainField);
  auto look = [self = shared_from_this(), done = std::move(done)](const Result<RespReply>& reply,
                                                                  Sequence needed) {
    if (!reply) {
      const std::string diverged = self->divergence();
      if (diverged.empty()) return done(fail(reply.error()));
      return done(fail(Code::kCorruption, fmt::format("{}: {}", self->name(), diverged)));
    }
    auto record = parse_record(*reply);
    if (!record || reply->elements.size() != kRecordFields + 1)
      return done(fail(self->connection_->unexpected(*reply)));
    if (Status owned = self->check_owner(*record); !owned)
      return done(fail(owned.error().within(self->name())));
    const bool lacks = !record->id || record->applied.sequence < needed;
    if (lacks && !self->follows_) self->note_lacking(record->id ? record->applied.sequence : 0);
    if (!self->lacks_) self->usable_ = true;
    PartPosition position{.sequence = record->applied.sequence,
                          .epoch = record->applied.epoch,
                          .is_empty = !record->id,
                          .chain = {}};
    if (!record->id) position.sequence = 0;
    const RespReply& chain = reply->elements.back();
    if (record->id && chain.type == RespReply::Type::kString) position.chain = chain.value_text();
    done(position);
  };
  loop_.post([self = shared_from_this(), command = std::move(command), look]() mutable {
    // A change that is confirmed while this is on its way may be missing in what comes back.
    self->submit(std::move(command), [look, needed = self->needed_](
                                         const Result<RespReply>& reply) { look(reply, needed); });
  });
}

std::string BlockServer::divergence() const {
  MutexLock lock(mutex_);
  return diverged_;
}

void BlockServer::stop_following(Sequence upto) {
  loop_.post([self = shared_from_this(), upto] {
    self->needed_ = std::max(self->needed_, upto);
    self->possible_ = std::max(self->possible_, upto);
    self->follows_ = false;
  });
}

void BlockServer::look() {
  if (is_looking_.exchange(true)) return;
  ask_position([self = shared_from_this()](const Result<PartPosition>& position) {
    if (!position) self->usable_ = false;
    self->is_looking_ = false;
  });
}

// One after the other, each confirmed: `id` must not come to stand beside blocks of before. What
// empties the server in between leaves it without `id`.
void BlockServer::wipe(ChangeDone done) {
  auto look = [self = shared_from_this(), done](const Result<RespReply>& reply) {
    if (!reply) return done(fail(reply.error()));
    auto record = parse_record(*reply);
    if (!record) return done(fail(self->connection_->unexpected(*reply)));
    self->assess(*record);
    done(record->id ? Status() : fail(self->other_than_left_error()));
  };
  auto begun = [self = shared_from_this(), done, look](const Result<RespReply>& reply) {
    if (!reply) return done(fail(reply.error()));
    self->reach_ = 0;
    self->submit(self->record_command(0), look);
  };
  auto removed = [self = shared_from_this(), done, begun](const Result<RespReply>& reply) {
    if (!reply) return done(fail(reply.error()));
    const Options& options = self->options_;
    const std::string nothing = applied_text({0, options.epoch});
    self->submit(
        encode_command({"HMSET", self->key_, kIdField, options.layout.id_of(options.number),
                        kAppliedField, nothing, kApplyingField, nothing, kWriterField,
                        std::to_string(options.epoch)}),
        begun);
  };
  submit(encode_command({"UNLINK", key_}), removed);
}

// ---- Requests ----

std::string BlockServer::record_command(std::size_t more_words) const {
  std::string command = store::command_head(2 + kRecordFields + more_words);
  for (std::string_view word : {std::string_view("HMGET"), std::string_view(key_), kIdField,
                                kAppliedField, kWriterField, kApplyingField}) {
    store::append_word(command, word);
  }
  return command;
}

void BlockServer::submit(std::string command, store::ReplyDone done) {
  auto request = std::make_unique<store::RespRequest>();
  request->head = std::move(command);
  request->done = std::move(done);
  connection_->submit(std::move(request));
}

// ---- Reading ----

void BlockServer::get(std::vector<std::uint64_t> indexes, bool must_be_current, GetDone done) {
  {
    MutexLock lock(mutex_);
    reads_.push_back({.indexes = std::move(indexes),
                      .must_be_current = must_be_current,
                      .done = std::move(done)});
    if (reads_.size() > 1) return;  // whoever was the first has asked the loop already
  }
  loop_.post([self = shared_from_this()] { self->ask_for_reads(); });
}

void BlockServer::ask_for_reads() {
  if (is_asking_) return;  // a command that fails at once calls back into here
  is_asking_ = true;
  while (asking_ < kCommandsMax) {
    std::vector<Read> reads = take_reads();
    if (reads.empty()) break;
    ask(std::move(reads));
  }
  is_asking_ = false;
}

// As many as fit into one command.
std::vector<BlockServer::Read> BlockServer::take_reads() {
  std::vector<Read> taken;
  std::size_t blocks = 0;
  MutexLock lock(mutex_);
  while (!reads_.empty()) {
    const Read& next = reads_.front();
    const bool fits = blocks + next.indexes.size() <= kBlocksPerCommand &&
                      (taken.empty() || next.must_be_current == taken.front().must_be_current);
    if (!taken.empty() && !fits) break;
    blocks += next.indexes.size();
    taken.push_back(std::move(reads_.front()));
    reads_.pop_front();
  }
  return taken;
}

void BlockServer::ask(std::vector<Read> reads) {
  const bool must_be_current = reads.front().must_be_current;
  if (must_be_current && lacks_) {
    for (const Read& read : reads) read.done(fail(lacks_error()));
    return;
  }
  std::size_t expected = kRecordFields;
  for (const Read& read : reads) expected += read.indexes.size();
  std::string command = record_command(expected - kRecordFields);
  for (const Read& read : reads) {
    for (std::uint64_t index : read.indexes) store::append_word(command, std::to_string(index));
  }
  ++asking_;
  // A change that is confirmed while this is on its way may be missing in what comes back.
  submit(std::move(command), [self = shared_from_this(), needed = needed_, expected,
                              must_be_current, reads = std::move(reads)](Result<RespReply> reply) {
    --self->asking_;
    Result<Found> found = self->check_answer(std::move(reply), expected, must_be_current, needed);
    self->ask_for_reads();
    std::size_t before = 0;
    for (const Read& read : reads) {
      if (found) {
        read.done(found->behind(before));
      } else {
        read.done(fail(found.error()));
      }
      before += read.indexes.size();
    }
  });
}

Result<BlockServer::Found> BlockServer::check_answer(Result<RespReply> reply, std::size_t expected,
                                                     bool must_be_current, Sequence needed) {
  if (!reply) {
    usable_ = false;
    return fail(reply.error());
  }
  auto record = parse_record(*reply);
  if (!record || reply->elements.size() != expected) return fail(connection_->unexpected(*reply));
  if (must_be_current) {
    TLOG_TRY(trust(*record, needed));
    usable_ = true;
  }
  return Found(std::make_shared<const RespReply>(std::move(*reply)), kRecordFields);
}

std::string BlockServer::applying_command(Sequence upto) {
  reach_ = std::max(reach_, upto);
  return encode_command({"HSET", key_, kApplyingField, applied_text({reach_, options_.epoch})});
}

void BlockServer::change(Change change, ChangeDone done) {
  auto work =
      std::make_shared<ServerChange>(shared_from_this(), std::move(change), std::move(done));
  loop_.post([work] { work->start(); });
}

}  // namespace tlog::blocks
