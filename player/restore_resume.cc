// How a restore picks up an unfinished one of the same target.
#include <fmt/format.h>

#include "player/restore.h"
#include "tlog/base/buffer.h"
#include "tlog/base/crc32c.h"

namespace tlog::player {

namespace {
constexpr std::uint32_t kProbeBytesMax = 16 * kMiB;
}  // namespace

Status Restore::find_position() {
  auto state = load_state(parts_.files, state_path_);
  if (!state && state.error().code() == Code::kNotFound) return {};
  if (options_.restart) return {};
  if (!state) return fail(state.error());
  if (options_.goes_on) TLOG_TRY(check_goes_on(*state));
  TLOG_ASSIGN(std::string reason, obstacle(*state));
  if (!reason.empty()) {
    if (options_.goes_on) return fail(cannot_go_on(reason));
    parts_.note(fmt::format("the unfinished restore of {} cannot be continued ({}); beginning anew",
                            parts_.target.name(), reason));
    return {};
  }
  resuming_ = true;
  reached_ = applied_ = *state;
  report_.resumed_after = state->sequence;
  bytes_before_ = state->bytes;
  return {};
}

// What was kept current for long is not thrown away without being told to.
Error Restore::cannot_go_on(const std::string& reason) const {
  return Error(Code::kFenced,
               fmt::format("follow: {}: cannot go on, {}; nothing was changed; --restart --force "
                           "begins anew, or name another target",
                           parts_.target.name(), reason));
}

// What passes by itself, and what somebody else has done to the target.
Status Restore::check_goes_on(const RestoreState& state) {
  const walk::LogHead& head = parts_.reader.head();
  const bool is_same = state.vdisk == parts_.reader.metadata().format.vdisk && state.follows;
  if (is_same && (state.number > head.number || state.until > cut_.sequence)) {
    return fail(
        Code::kUnavailable,
        fmt::format("follow: {}: it has been at sequence {}, and up to {} is told now; "
                    "waiting for the rest",
                    parts_.target.name(), std::max(state.sequence, state.until), cut_.sequence));
  }
  if (state.stamp.empty()) return {};
  TLOG_ASSIGN(const std::string stamp, parts_.target.stamp());
  if (stamp == state.stamp) return {};
  return fail(cannot_go_on("somebody else has written to it"));
}

Result<std::string> Restore::obstacle(const RestoreState& state) {
  const auto& metadata = parts_.reader.metadata();
  if (state.vdisk != metadata.format.vdisk) return std::string("it was of another vdisk");
  if (state.follows != options_.goes_on) {
    return std::string(state.follows ? "it is kept current by `tlogplay follow`"
                                     : "it was restored, and not followed");
  }
  if (state.until > cut_.sequence) {
    return fmt::format("it went to sequence {}, this one to {}", state.until, cut_.sequence);
  }
  TLOG_ASSIGN(std::string identity, parts_.target.identity());
  if (identity.empty() || identity != state.target) return std::string("the target has changed");
  if (parts_.target.wants_probe() && !state.probe) {
    return std::string("nothing tells whether the target is still the same");
  }
  if (state.number == 0) return std::string();  // begun, nothing applied for certain
  const std::string other_log = "the log is not the one that it was of";
  if (state.number > parts_.reader.head().number) return other_log;
  walk::WalkOptions one;
  one.first = one.last = state.number;
  one.read_ahead = 1;
  bool same = false;
  TLOG_TRY(parts_.reader.walk(one, [&](walk::Visited& visited) -> Result<bool> {
    const auto& header = visited.opened.aggregation.header;
    same = visited.opened.hash == state.hash && header.epoch == state.epoch &&
           header.last_sequence == state.sequence;
    return false;
  }));
  return same ? std::string() : other_log;
}

Status Restore::prepare_target() {
  saved_at_ns_ = parts_.clock.monotonic_ns();
  if (!resuming_) return begin_anew("");
  TLOG_TRY(parts_.target.prepare(true));
  if (applied_.probe) {
    TLOG_ASSIGN(bool same, probe_matches(*applied_.probe));
    if (!same && applied_.next_probe) {
      TLOG_ASSIGN(same, probe_matches(*applied_.next_probe));
    }
    if (!same) return begin_anew("the target does not hold what was written to it");
  }
  // Kept before anything is applied: from now on the target may hold records up to the new point.
  applied_.until = reached_.until = cut_.sequence;
  if (cut_.sequence > applied_.sequence) applied_.stamp.clear();
  reached_.stamp.clear();
  TLOG_TRY(save_state(parts_.files, state_path_, applied_));
  saved_ = applied_;
  return {};
}

Status Restore::begin_anew(const std::string& reason) {
  if (!reason.empty()) {
    if (options_.goes_on) return fail(cannot_go_on(reason));
    parts_.note(fmt::format("the unfinished restore of {} cannot be continued ({}); beginning anew",
                            parts_.target.name(), reason));
    TLOG_ASSIGN(report_.target, parts_.target.check(false));
  }
  resuming_ = false;
  report_.resumed_after = 0;
  bytes_before_ = 0;
  reached_ = applied_ = RestoreState{};
  reached_.vdisk = applied_.vdisk = parts_.reader.metadata().format.vdisk;
  reached_.follows = applied_.follows = options_.goes_on;
  // First of all: a position must never be believed of a target that was begun again.
  Status removed = parts_.files.remove(state_path_);
  if (!removed && removed.error().code() != Code::kNotFound) return removed;
  TLOG_TRY(parts_.target.prepare(false));
  if (parts_.target.wants_probe()) return {};
  // A target that can be told from all others may be continued from its very beginning.
  applied_.until = cut_.sequence;
  TLOG_ASSIGN(applied_.target, parts_.target.identity());
  return save_state(parts_.files, state_path_, applied_);
}

Result<bool> Restore::probe_matches(const RestoreProbe& probe) {
  const std::uint64_t size = parts_.reader.metadata().format.size;
  if (probe.length > kProbeBytesMax || probe.offset > size || probe.length > size - probe.offset) {
    return false;
  }
  Buffer bytes(probe.length);
  TLOG_TRY(parts_.target.read(probe.offset, bytes.span()));
  return crc32c(bytes.span()) == probe.crc32c;
}

}  // namespace tlog::player
