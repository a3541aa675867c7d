#include "tlog/store/resp_identity.h"

#include <fmt/format.h>

#include <charconv>

namespace tlog::store {
namespace {

Verdict mismatch(std::string reason) {
  return {.standing = Standing::kMismatch,
          .mark = {},
          .error = Error(Code::kInvalidArgument, std::move(reason))};
}

Verdict wiped(const Mark& mark, const std::string& what_is_missing) {
  return {.standing = Standing::kWiped, .mark = mark, .error = wiped_error(what_is_missing)};
}

std::string place(std::size_t index, const KnownServer& known) {
  std::string text = fmt::format("server {}", index + 1);
  if (!known.address.empty()) text += fmt::format(" (then at {})", known.address);
  return text;
}

// Another place of this vdisk that knows the server.
std::optional<std::size_t> place_of(const Expectation& expected, const Uuid& server) {
  for (std::size_t i = 0; i < expected.servers.size(); ++i) {
    if (i != expected.index && expected.servers[i].server == server) return i;
  }
  return std::nullopt;
}

Verdict judge_marked(const KnownServer& known, const Mark& mark) {
  if (known.server.is_nil() || mark.since == known.since) {
    return {.standing = Standing::kOurs, .mark = mark};
  }
  if (mark.since < known.since) {
    return mismatch(fmt::format(
        "it holds an older state (of epoch {}) of a server that was replaced in epoch {}; empty it "
        "(FLUSHDB), or give the address of the one that replaced it",
        marked_in(mark.since), marked_in(known.since)));
  }
  return wiped(mark, fmt::format("it was emptied and marked in epoch {}, of which the vdisk has no "
                                 "record",
                                 marked_in(mark.since)));
}

}  // namespace

std::string control_key(std::string_view vdisk) {
  return fmt::format("tlog:{}:ctl", vdisk);
}

namespace {

constexpr std::string_view kClaimPrefix = "claim:";
constexpr std::string_view kClosedPrefix = "closed:";

std::optional<Epoch> epoch_behind(std::string_view prefix, std::string_view field) {
  if (!field.starts_with(prefix)) return std::nullopt;
  field.remove_prefix(prefix.size());
  Epoch epoch = 0;
  auto end = std::from_chars(field.data(), field.data() + field.size(), epoch);
  if (end.ec != std::errc() || end.ptr != field.data() + field.size()) return std::nullopt;
  return epoch;
}

}  // namespace

std::string claim_field(Epoch epoch) {
  return fmt::format("{}{}", kClaimPrefix, epoch);
}

std::string closed_field(Epoch epoch) {
  return fmt::format("{}{}", kClosedPrefix, epoch);
}

void take_epoch_mark(std::string_view field, std::string_view value, EpochMarks& marks) {
  if (auto claimed = epoch_behind(kClaimPrefix, field)) marks.claims[*claimed] = value;
  if (auto closed = epoch_behind(kClosedPrefix, field)) marks.closed[*closed] = value;
}

std::string encode_mark(const Mark& mark) {
  return fmt::format("{} {} {}", mark.vdisk.text(), mark.server.text(), mark.since);
}

Result<Mark> decode_mark(std::string_view text) {
  constexpr std::size_t kUuidLength = 36;
  auto bad = [&] { return fail(Code::kCorruption, fmt::format("the mark \"{}\"", text)); };
  if (text.size() < 2 * kUuidLength + 3 || text[kUuidLength] != ' ' ||
      text[2 * kUuidLength + 1] != ' ') {
    return bad();
  }
  auto vdisk = Uuid::parse(text.substr(0, kUuidLength));
  auto server = Uuid::parse(text.substr(kUuidLength + 1, kUuidLength));
  Mark mark;
  std::string_view digits = text.substr(2 * kUuidLength + 2);
  auto end = std::from_chars(digits.data(), digits.data() + digits.size(), mark.since);
  if (!vdisk || !server || end.ec != std::errc() || end.ptr != digits.data() + digits.size()) {
    return bad();
  }
  mark.vdisk = *vdisk;
  mark.server = *server;
  return mark;
}

Error wiped_error(const std::string& what_is_missing) {
  return Error(Code::kUnavailable,
               fmt::format("wiped: {}; a served vdisk fills an empty server again by itself while "
                           "no more than its parity shards can bear are missing, else start the "
                           "server with its old data",
                           what_is_missing));
}

Error fenced_error(Epoch epoch, const std::string& by) {
  return Error(Code::kFenced, fmt::format("fenced: epoch {} was closed by {}", epoch, by));
}

Verdict judge(const Expectation& expected, const FoundIdentity& found) {
  const KnownServer known =
      expected.index < expected.servers.size() ? expected.servers[expected.index] : KnownServer{};
  Uuid server;
  if (!found.server.empty()) {
    auto parsed = Uuid::parse(found.server);
    if (!parsed) {
      return mismatch(
          fmt::format("its uuid \"{}\" is none; another program uses our keys, give the "
                      "log a database of its own",
                      found.server));
    }
    server = *parsed;
  }
  Mark mark;
  if (!found.mark.empty()) {
    auto parsed = decode_mark(found.mark);
    if (!parsed) return mismatch(parsed.error().message() + " is none of ours");
    mark = *parsed;
    if (mark.vdisk != expected.vdisk) {
      return mismatch(fmt::format(
          "it keeps shards of another vdisk of this name (uuid {}, ours is "
          "{}); give each its own servers or databases, or delete the keys of that name if "
          "it is gone",
          mark.vdisk.text(), expected.vdisk.text()));
    }
  }
  if (auto other = server.is_nil() ? std::nullopt : place_of(expected, server)) {
    return mismatch(
        fmt::format("it is {} of this vdisk, not server {}: the addresses were swapped "
                    "or given twice; put them back into their order",
                    place(*other, expected.servers[*other]), expected.index + 1));
  }
  if (!server.is_nil() && !known.server.is_nil() && server != known.server) {
    return mismatch(
        fmt::format("it is another server ({}) than {} of this vdisk ({}); give the "
                    "address of that one, or of an empty one to replace it",
                    server.text(), place(expected.index, known), known.server.text()));
  }
  const Mark wanted{.vdisk = expected.vdisk,
                    .server = known.server.is_nil() ? server : known.server,
                    .since = known.since};
  if (server.is_nil() && !known.server.is_nil()) {
    return wiped(wanted,
                 fmt::format("it is empty, and was {} of this vdisk ({}) since epoch {}",
                             place(expected.index, known), known.server.text(), marked_in(known.since)));
  }
  if (found.mark.empty()) {
    if (known.server.is_nil()) return {.standing = Standing::kNew, .mark = wanted};
    return wiped(wanted,
                 fmt::format("it has kept shards of this vdisk since epoch {}, and has lost "
                             "the mark that says so",
                             marked_in(known.since)));
  }
  if (server.is_nil()) return wiped(mark, "it has the vdisk's mark, but has lost its own uuid");
  if (mark.server != server) {
    return mismatch(
        fmt::format("its contents were copied from another server ({}); empty it "
                    "(FLUSHDB) or use that one",
                    mark.server.text()));
  }
  return judge_marked(known, mark);
}

}  // namespace tlog::store
