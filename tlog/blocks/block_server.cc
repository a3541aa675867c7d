#include "tlog/blocks/block_server.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/random.h"
#include "tlog/blocks/server_change.h"

namespace tlog::blocks {
namespace {

using store::encode_command;
using store::RespReply;

// Of listing and ending other connections, while one handshake lasts.
constexpr unsigned kRoundsMax = 100;

Status no_error(const RespReply& reply) {
  if (reply.type == RespReply::Type::kError) return fail(store::error_of_reply(reply.text));
  return {};
}

// A connection that has ended by itself meanwhile cannot be ended: the next list tells.
Status anything(const RespReply&) {
  return {};
}

Status client_is_known(const RespReply& reply) {
  if (reply.type != RespReply::Type::kError) return {};
  return fail(
      Code::kInvalidArgument,
      fmt::format("the server says \"{}\"; let the user run CLIENT SETNAME, CLIENT LIST and "
                  "CLIENT KILL: without them an older write could overwrite a newer one",
                  reply.text));
}

std::string_view value_in(std::string_view line, std::string_view key) {
  std::size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + key.size());
  return line.substr(0, line.find(' '));
}

std::string vdisk_prefix(const ClusterLayout& layout) {
  return fmt::format("tlog:{}:", layout.uuid.text());
}

}  // namespace

BlockServer::BlockServer(Options options, io::Loop& loop, Logger& logger)
    : options_(std::move(options)),
      key_(options_.layout.key()),
      name_(store::name_of(options_.connection)),
      loop_(loop),
      logger_(logger),
      connection_(std::make_shared<store::RespConnection>(options_.connection, name_.get(), loop,
                                                          logger, health_)),
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

// ---- The handshake: who is it, and are we its only writer? ----

std::string BlockServer::record_command(std::size_t more_words) const {
  std::string command = store::command_head(2 + kRecordFields + more_words);
  for (std::string_view word :
       {std::string_view("HMGET"), std::string_view(key_), kIdField, kAppliedField, kWriterField}) {
    store::append_word(command, word);
  }
  return command;
}

void BlockServer::greet(store::RespConnection& connection, const store::ServerInfo& info) {
  usable_ = false;
  rounds_ = 0;
  by_address_ = info.is_ardb;
  client_ = fmt::format("{}{:016x}", vdisk_prefix(options_.layout), system_random().next_u64());
  connection.greet(encode_command({"CLIENT", "SETNAME", client_}), client_is_known);
  connection.greet(record_command(0),
                   [this](const RespReply& reply) { return check_first(reply); });
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

Status BlockServer::check_first(const RespReply& reply) {
  TLOG_TRY(no_error(reply));
  TLOG_ASSIGN(ServerRecord record, parse_record(reply));
  TLOG_TRY(check_owner(record));
  if (!record.id && options_.create) {
    connection_->greet(encode_command({"HSETNX", key_, kAppliedField, applied_text({})}), no_error);
    connection_->greet(
        encode_command({"HSETNX", key_, kIdField, options_.layout.id_of(options_.number)}),
        no_error);
  }
  connection_->greet(encode_command({"HSET", key_, kWriterField, std::to_string(options_.epoch)}),
                     no_error);
  connection_->greet(encode_command({"CLIENT", "LIST"}),
                     [this](const RespReply& list) { return check_others(list); });
  return {};
}

Status BlockServer::check_others(const RespReply& reply) {
  TLOG_TRY(client_is_known(reply));
  if (reply.type != RespReply::Type::kString) {
    return fail(Code::kInvalidArgument, "CLIENT LIST was not answered with a list");
  }
  const std::string prefix = vdisk_prefix(options_.layout);
  std::string_view list = reply.value_text();
  bool found = false;
  bool found_self = false;
  while (!list.empty()) {
    std::string_view line = list.substr(0, list.find('\n'));
    list.remove_prefix(std::min(line.size() + 1, list.size()));
    std::string_view name = value_in(line, " name=");
    found_self = found_self || name == client_;
    if (!name.starts_with(prefix) || name == client_) continue;
    found = true;
    if (by_address_) {
      connection_->greet(encode_command({"CLIENT", "KILL", value_in(line, " addr=")}), anything);
    } else {
      connection_->greet(encode_command({"CLIENT", "KILL", "ID", value_in(line, "id=")}), anything);
    }
  }
  // A list that does not show everybody proves nothing.
  if (!found_self) {
    return fail(Code::kInvalidArgument,
                "CLIENT LIST does not show this connection; give a server that keeps names");
  }
  if (!found) {
    connection_->greet(record_command(0),
                       [this](const RespReply& record) { return check_last(record); });
    return {};
  }
  if (++rounds_ > kRoundsMax) {
    return fail(Code::kUnavailable, "earlier connections of the vdisk do not end");
  }
  connection_->greet(encode_command({"HSET", key_, kWriterField, std::to_string(options_.epoch)}),
                     no_error);
  connection_->greet(encode_command({"CLIENT", "LIST"}),
                     [this](const RespReply& next) { return check_others(next); });
  return {};
}

Status BlockServer::check_last(const RespReply& reply) {
  TLOG_TRY(no_error(reply));
  TLOG_ASSIGN(ServerRecord record, parse_record(reply));
  TLOG_TRY(check_owner(record));
  if (record.writer != options_.epoch) {
    return fail(Code::kUnavailable, "another connection of the vdisk was made at the same time");
  }
  if (record.id && is_forked_off(record.applied, options_.forks)) return begin_anew(record);
  if (record.id && record.applied.sequence > possible_) {
    return fail(
        Code::kInvalidArgument,
        fmt::format(
            "it has the blocks of vdisk '{}' up to sequence {}, the journal ends at {}: the "
            "journal is an old copy; use the newest one, or restore to a new vdisk with "
            "`tlogplay restore {} --to vdisk:NEW`",
            options_.layout.vdisk, record.applied.sequence, possible_, options_.layout.vdisk));
  }
  ++incarnation_;
  if (!record.id || record.applied.sequence < needed_) {
    note_lacking(record.id ? record.applied.sequence : 0);
  } else {
    note_current();
  }
  return {};
}

// Its blocks have changes of a writer that was taken over from, and that are not in the log: they
// cannot be told from the others. No connection of that writer is left to bring them back.
Status BlockServer::begin_anew(const ServerRecord& record) {
  logger_.warning(fmt::format(
      "event=blocks_dropped vdisk={} store=\"{}\" applied={} epoch={} reason=\"the vdisk was taken "
      "over without its newest changes\" next=\"refilled from the log\"",
      options_.layout.vdisk, name(), record.applied.sequence, record.applied.epoch));
  connection_->greet(encode_command({"DEL", key_}), no_error);
  connection_->greet(encode_command({"HSET", key_, kWriterField, std::to_string(options_.epoch)}),
                     no_error);
  ++incarnation_;
  note_lacking(0);
  return {};
}

// ---- What it lacks ----

void BlockServer::note_lacking(Sequence has) {
  usable_ = false;
  Lacking lacking{.server = options_.number, .name = name(), .has = has, .wanted = needed_};
  MutexLock lock(mutex_);
  if (lacks_ && lacking_ && lacking_->has == has && lacking_->wanted == needed_) return;
  lacks_ = true;
  lacking_ = lacking;
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

// ---- Requests ----

void BlockServer::submit(std::string command, store::ReplyDone done) {
  auto request = std::make_unique<store::RespRequest>();
  request->head = std::move(command);
  request->done = std::move(done);
  connection_->submit(std::move(request));
}

void BlockServer::get(std::vector<std::uint64_t> indexes, bool must_be_current, GetDone done) {
  auto ask = [self = shared_from_this(), indexes = std::move(indexes), must_be_current,
              done = std::move(done)]() mutable {
    if (must_be_current && self->lacks_) return done(fail(self->lacks_error()));
    std::string command = self->record_command(indexes.size());
    for (std::uint64_t index : indexes) store::append_word(command, std::to_string(index));
    // A change that is confirmed while this is on its way may be missing in what comes back.
    const Sequence needed = self->needed_;
    const std::size_t expected = kRecordFields + indexes.size();
    BlockServer& server = *self;
    server.submit(std::move(command), [self, needed, expected, must_be_current,
                                       done = std::move(done)](Result<RespReply> reply) {
      if (!reply) {
        self->usable_ = false;
        return done(std::move(reply));
      }
      auto record = parse_record(*reply);
      if (!record || reply->elements.size() != expected) {
        return done(fail(self->connection_->unexpected(*reply)));
      }
      if (must_be_current) {
        if (Status trusted = self->trust(*record, needed); !trusted)
          return done(fail(trusted.error()));
        self->usable_ = true;
      }
      done(std::move(reply));
    });
  };
  loop_.post(std::move(ask));
}

void BlockServer::change(std::shared_ptr<const BlockChanges> changes, Sequence upto, Mode mode,
                         ChangeDone done) {
  auto work = std::make_shared<ServerChange>(shared_from_this(), std::move(changes), upto, mode,
                                             std::move(done));
  loop_.post([work] { work->start(); });
}

}  // namespace tlog::blocks
