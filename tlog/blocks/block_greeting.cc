#include <fmt/format.h>

#include "tlog/base/random.h"
#include "tlog/blocks/block_server.h"

// How a BlockServer begins each of its connections: who is the server, and are we its only writer?
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

void BlockServer::greet(store::RespConnection& connection, const store::ServerInfo& info) {
  usable_ = false;
  rounds_ = 0;
  by_address_ = info.is_ardb;
  client_ = fmt::format("{}{:016x}", vdisk_prefix(options_.layout), system_random().next_u64());
  connection.greet(encode_command({"CLIENT", "SETNAME", client_}), client_is_known);
  connection.greet(record_command(0),
                   [this](const RespReply& reply) { return check_first(reply); });
}

Status BlockServer::check_first(const RespReply& reply) {
  TLOG_TRY(no_error(reply));
  TLOG_ASSIGN(ServerRecord record, parse_record(reply));
  TLOG_TRY(check_owner(record));
  last_writer_ = record.writer;
  if (!record.id && options_.create) {
    for (std::string_view field : {kAppliedField, kApplyingField}) {
      connection_->greet(encode_command({"HSETNX", key_, field, applied_text({})}), no_error);
    }
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
  // Whoever was cut off before it said `applying` had not been let in, and has sent nothing. What
  // follows was never written by a version that does not say it.
  if (follows_ && record.applying) last_writer_ = record.applying->epoch;
  if (record.id && is_forked_off(record, last_writer_, options_.forks)) {
    if (!follows_ || options_.discards) return begin_anew(record);
    return diverged(record, "the vdisk was taken over without the newest of them");
  }
  const std::optional<Sequence> reach = reach_of(record, last_writer_);
  const Sequence known = reach.value_or(record.applied.sequence);
  if (record.id && known > possible_ && follows_) {
    if (options_.discards) return begin_anew(record);
    return diverged(record, fmt::format("the vdisk's own end at {}", possible_));
  }
  if (record.id && known > possible_) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("it has blocks of vdisk '{}' up to sequence {}, the journal ends at {}: the "
                    "journal is an old copy; use the newest one, or restore to a new vdisk with "
                    "`tlogplay restore {} --to vdisk:NEW`",
                    options_.layout.vdisk, known, possible_, options_.layout.vdisk));
  }
  // Nothing was ever sent that the journal did not have.
  return be_used(record, reach.value_or(possible_));
}

// From here on it says who was the last to send it something, and how far that may reach.
Status BlockServer::be_used(const ServerRecord& record, Sequence reach) {
  auto use = [this, record, reach](const RespReply& reply) -> Status {
    TLOG_TRY(no_error(reply));
    reach_ = reach;
    ++incarnation_;
    changes_fail_ = false;  // nothing has failed on this connection
    {
      MutexLock lock(mutex_);
      diverged_.clear();
    }
    assess(record);
    return {};
  };
  const Applied applying{reach, options_.epoch};
  if (!record.id || record.applying == applying) return use({});
  connection_->greet(encode_command({"HSET", key_, kApplyingField, applied_text(applying)}), use);
  return {};
}

// A standby's: what it has was perhaps the only copy of something, so a person decides.
Status BlockServer::diverged(const ServerRecord& record, const std::string& why) {
  const Sequence reach =
      std::max(record.applied.sequence, record.applying ? record.applying->sequence : Sequence{0});
  std::string reason =
      fmt::format("it has diverged: it has changes up to sequence {} (epoch {}), and {}", reach,
                  record.applied.epoch, why);
  MutexLock lock(mutex_);
  diverged_ = reason;
  return fail(Code::kInvalidArgument, reason);
}

// Its blocks have changes of a writer that was taken over from, or a part of them, and that are not
// in the log: they cannot be told from the others. No connection of that writer is left to bring
// them back.
Status BlockServer::begin_anew(const ServerRecord& record) {
  logger_.warning(
      fmt::format("event=blocks_dropped vdisk={} store=\"{}\" applied={} epoch={} applying={} "
                  "reason=\"the vdisk "
                  "was taken over without its newest changes\" next=\"refilled from the log\"",
                  options_.layout.vdisk, name(), record.applied.sequence, record.applied.epoch,
                  record.applying ? applied_text(*record.applying) : "unknown"));
  connection_->greet(encode_command({"UNLINK", key_}), no_error);
  connection_->greet(encode_command({"HSET", key_, kWriterField, std::to_string(options_.epoch)}),
                     no_error);
  reach_ = 0;
  ++incarnation_;
  note_lacking(0);
  return {};
}

}  // namespace tlog::blocks
