#include "tlog/store/resp_handshake.h"

#include <fmt/format.h>

#include "tlog/base/random.h"
#include "tlog/store/resp_epochs.h"

namespace tlog::store {
namespace {

bool is_error(const RespReply& reply) {
  return reply.type == RespReply::Type::kError;
}

Refusal refusal_of(Error error, StoreState state) {
  const bool lasts = error.code() == Code::kInvalidArgument || error.code() == Code::kCorruption;
  return {.state = state, .error = std::move(error), .lasts = lasts};
}

Refusal refusal_of(const RespReply& reply, std::string_view command) {
  if (is_error(reply)) return refusal_of(error_of_reply(reply.text), state_of_reply(reply.text));
  return {.state = StoreState::kDown,
          .error = Error(Code::kUnavailable,
                         std::string(command) + " was answered with something that it cannot be")};
}

// HGET's: text, or nothing.
bool take_field(const RespReply& reply, std::string& into) {
  into.clear();
  if (reply.type == RespReply::Type::kNil) return true;
  if (reply.type != RespReply::Type::kString) return false;
  into = reply.value_text();
  return true;
}

}  // namespace

void RespHandshake::say(std::initializer_list<std::string_view> words, Check check) {
  say(encode_command(words),
      AnyCheck([this, check](const RespReply& reply) { return (this->*check)(reply); }));
}

void RespHandshake::say(std::string command, AnyCheck check) {
  sayings_.push_back(std::move(command));
  checks_.push_back(std::move(check));
  send_(bytes_of(std::string_view(sayings_.back())));
}

void RespHandshake::greet(const std::string& command, RespCheck check) {
  say(command, AnyCheck([check = std::move(check)](const RespReply& reply) {
        Status good = check(reply);
        if (good) return std::optional<Refusal>();
        const bool lasts = good.error().code() == Code::kInvalidArgument;
        return std::optional<Refusal>(
            refusal_of(good.error(), lasts ? StoreState::kRefused : StoreState::kDown));
      }));
}

void RespHandshake::begin() {
  if (!options_.password.empty()) say({"AUTH", options_.password}, &RespHandshake::check_ok);
  if (!options_.db.empty() && options_.db != "0")
    say({"SELECT", options_.db}, &RespHandshake::check_ok);
  say({"INFO"}, &RespHandshake::check_info);
}

std::optional<Refusal> RespHandshake::take(const RespReply& reply) {
  AnyCheck check = std::move(checks_.front());
  checks_.pop_front();
  return check(reply);
}

std::optional<Refusal> RespHandshake::check_ok(const RespReply& reply) {
  if (reply.type == RespReply::Type::kStatus && reply.text == "OK") return std::nullopt;
  return refusal_of(reply, "AUTH or SELECT");
}

std::optional<Refusal> RespHandshake::check_info(const RespReply& reply) {
  if (reply.type != RespReply::Type::kString) return refusal_of(reply, "INFO");
  info_ = parse_info(reply.value_text());
  if (Status good = store::check_server(info_); !good) {
    const StoreState state = info_.is_loading   ? StoreState::kBusy
                             : info_.is_replica ? StoreState::kReadOnly
                                                : StoreState::kRefused;
    return refusal_of(good.error(), state);
  }
  if (Status good = check_eviction_policy(info_.eviction_policy); !good) {
    return refusal_of(good.error(), StoreState::kRefused);
  }
  if (info_.eviction_policy.empty() && !info_.is_ardb) {
    say({"CONFIG", "GET", "maxmemory-policy"}, &RespHandshake::check_policy);
  }
  if (info_.has_no_append_only_file && !info_.is_ardb) {
    say({"CONFIG", "GET", "save"}, &RespHandshake::check_save);
  }
  if (!options_.vdisk.empty()) ask_who_it_is();
  if (usable_) usable_(info_);
  return std::nullopt;
}

std::optional<Refusal> RespHandshake::check_policy(const RespReply& reply) {
  if (reply.type == RespReply::Type::kArray && reply.elements.size() == 2) {
    Status good = check_eviction_policy(reply.elements[1].value_text());
    if (good) return std::nullopt;
    return refusal_of(good.error(), StoreState::kRefused);
  }
  // A server without such a setting has no eviction to speak of; one that hides it is the
  // operator's word.
  if (reply.type == RespReply::Type::kArray || is_error(reply)) return std::nullopt;
  return refusal_of(reply, "CONFIG GET");
}

std::optional<Refusal> RespHandshake::check_save(const RespReply& reply) {
  if (reply.type == RespReply::Type::kArray && reply.elements.size() == 2) {
    warning_ = warn_of_persistence(reply.elements[1].value_text());
  }
  if (reply.type == RespReply::Type::kArray || is_error(reply)) return std::nullopt;
  return refusal_of(reply, "CONFIG GET");
}

// ---- Who it is ----

void RespHandshake::ask_who_it_is() {
  say({"HGET", kServerKey, kServerField}, &RespHandshake::check_server);
  say({"HMGET", control_key(options_.vdisk), kMarkField, kRunField}, &RespHandshake::check_marks);
}

std::optional<Refusal> RespHandshake::check_server(const RespReply& reply) {
  if (take_field(reply, found_.server)) return std::nullopt;
  return refusal_of(reply, "HGET");
}

std::optional<Refusal> RespHandshake::check_marks(const RespReply& reply) {
  const bool is_pair = reply.type == RespReply::Type::kArray && reply.elements.size() == 2 &&
                       take_field(reply.elements[0], found_.mark) &&
                       take_field(reply.elements[1], found_.run);
  if (!is_pair) return refusal_of(reply, "HMGET");
  self_.mark.clear();
  self_.server = Uuid::parse(found_.server).value_or(Uuid{});
  if (!self_.expected) return std::nullopt;
  const Verdict verdict = judge(*self_.expected, found_);
  switch (verdict.standing) {
    case Standing::kOurs:
      return take_mark(verdict.mark);
    case Standing::kNew:
      if (self_.is_writer) name_server(verdict);
      return std::nullopt;
    case Standing::kWiped:
      if (!self_.is_writer || !self_.may_mark_anew) {
        return Refusal{.state = StoreState::kWiped, .error = verdict.error, .lasts = true};
      }
      if (auto other = marked_by_another()) {
        return Refusal{.state = StoreState::kMismatch,
                       .error = Error(Code::kUnavailable,
                                      fmt::format("it was emptied, and a writer of epoch {} has "
                                                  "marked it since",
                                                  *other)),
                       .lasts = true};
      }
      anew_ = true;
      name_server(verdict);
      return std::nullopt;
    case Standing::kMismatch:
      break;
  }
  return Refusal{.state = StoreState::kMismatch, .error = verdict.error, .lasts = true};
}

// The epoch of a writer that may be filling the emptied server, or have filled it already: his mark
// must not be replaced. Those of earlier epochs are closed, and none of them has recorded his mark.
// Of two that want the same epoch nobody knows who will have it until one holds it.
std::optional<Epoch> RespHandshake::marked_by_another() const {
  const auto found = decode_mark(found_.mark);
  if (!found) return std::nullopt;
  const Epoch epoch = marked_in(found->since);
  const bool is_own = found->server == self_.marked.server && found->since == self_.marked.since;
  const bool may_be_used = epoch > self_.epoch || (epoch == self_.epoch && !self_.held);
  return may_be_used && !is_own ? std::optional(epoch) : std::nullopt;
}

// Whoever comes first names the server, and everybody takes that name. An emptied one keeps the old
// name: other vdisks that know it must see that it was wiped, not another server.
void RespHandshake::name_server(const Verdict& verdict) {
  wanted_ = verdict.mark;
  wanted_.since =
      anew_ ? next_since(std::max(verdict.mark.since, known_since()), self_.epoch) : self_.epoch;
  const Uuid name = wanted_.server.is_nil() ? system_random().next_uuid() : wanted_.server;
  say({"HSETNX", kServerKey, kServerField, name.text()}, &RespHandshake::check_set);
  say({"HGET", kServerKey, kServerField}, &RespHandshake::check_new_server);
}

std::optional<Refusal> RespHandshake::check_set(const RespReply& reply) {
  if (reply.type == RespReply::Type::kInteger) return std::nullopt;
  return refusal_of(reply, "HSET");
}

std::optional<Refusal> RespHandshake::check_new_server(const RespReply& reply) {
  auto named = Uuid::parse(reply.value_text());
  if (reply.type != RespReply::Type::kString || !named) return refusal_of(reply, "HGET");
  if (!wanted_.server.is_nil() && *named != wanted_.server) {
    return Refusal{.state = StoreState::kDown,
                   .error = Error(Code::kUnavailable, "it was given another name meanwhile")};
  }
  wanted_.server = self_.server = *named;
  const std::string key = control_key(options_.vdisk);
  const std::string mark = encode_mark(wanted_);
  // Where there is none another writer may be setting his at this moment: it must not be replaced.
  if (anew_ && !found_.mark.empty()) {
    say({"HSET", key, kMarkField, mark}, &RespHandshake::check_set);
  } else {
    say({"HSETNX", key, kMarkField, mark}, &RespHandshake::check_set);
  }
  // Emptied between its name and its mark it would keep the mark alone: good for this writer, who
  // looks at no more, and wiped for everybody after him.
  say({"HSETNX", kServerKey, kServerField, named->text()}, &RespHandshake::check_set);
  say({"HGET", kServerKey, kServerField}, &RespHandshake::check_name_kept);
  say({"HGET", key, kMarkField}, &RespHandshake::check_new_mark);
  return std::nullopt;
}

std::optional<Refusal> RespHandshake::check_name_kept(const RespReply& reply) {
  const auto named = Uuid::parse(reply.value_text());
  if (reply.type != RespReply::Type::kString || !named) return refusal_of(reply, "HGET");
  if (*named == wanted_.server) return std::nullopt;
  return Refusal{
      .state = StoreState::kDown,
      .error = Error(Code::kUnavailable, "it was emptied and given another name meanwhile")};
}

std::optional<Refusal> RespHandshake::check_new_mark(const RespReply& reply) {
  if (reply.type != RespReply::Type::kString) return refusal_of(reply, "HGET");
  if (reply.value_text() == encode_mark(wanted_)) return take_mark(wanted_);
  return Refusal{.state = StoreState::kDown,
                 .error = Error(Code::kUnavailable, "another writer marked it at the same time")};
}

std::optional<Refusal> RespHandshake::take_mark(const Mark& mark) {
  self_.mark = encode_mark(mark);
  if (!self_.is_writer) return std::nullopt;
  self_.may_mark_anew = false;
  self_.marked = {.server = mark.server,
                  .since = mark.since,
                  .address = options_.address,
                  .rebuilding = anew_ || self_.is_rebuilding()};
  // The life of a restarted server is noted when what it may have lost is there again.
  if (!info_.run_id.empty() && !restarted()) {
    say({"HSET", control_key(options_.vdisk), kRunField, info_.run_id},
        &RespHandshake::check_noted);
  }
  if (self_.held) {
    say({"HMGET", control_key(options_.vdisk), claim_field(self_.held->epoch),
         closed_field(self_.held->epoch)},
        &RespHandshake::check_epoch);
  }
  return std::nullopt;
}

// A server that was away when the epoch was claimed, or that has lost its marks, gets them now:
// before anything is put there.
std::optional<Refusal> RespHandshake::check_epoch(const RespReply& reply) {
  std::string claim;
  std::string closed;
  const bool is_pair = reply.type == RespReply::Type::kArray && reply.elements.size() == 2 &&
                       take_field(reply.elements[0], claim) &&
                       take_field(reply.elements[1], closed);
  if (!is_pair) return refusal_of(reply, "HMGET");
  if (!closed.empty()) {
    return Refusal{.state = StoreState::kFenced,
                   .error = fenced_error(self_.held->epoch, closed),
                   .lasts = true};
  }
  if (claim == self_.held->owner) return std::nullopt;
  for (std::string& command : claim_commands(options_.vdisk, *self_.held, true)) {
    say(std::move(command), AnyCheck([this](const RespReply& set) { return check_set(set); }));
  }
  return std::nullopt;
}

// Only a note: a server that is full is still good for reading.
std::optional<Refusal> RespHandshake::check_noted(const RespReply& reply) {
  if (is_error(reply) && error_of_reply(reply.text).code() == Code::kNoSpace) return std::nullopt;
  return check_set(reply);
}

}  // namespace tlog::store
