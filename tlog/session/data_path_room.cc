// File: tlog/session/data_path_room.cc
// Where everything behind the data path pushes back: writers are slowed down while room gets short,
// and wait when there is none.
#include <fmt/format.h>

#include <algorithm>

#include "tlog/session/data_path.h"

namespace tlog::session {
namespace {

constexpr std::chrono::milliseconds kLookForRoomAgain(50);
// Below the slow zone the rate is watched, but not at every write.
constexpr unsigned kWatchEvery = 16;

}  // namespace

bool DataPath::has_room(std::uint32_t data_length) const {
  return core_.journal->has_room(data_length) && core_.table.size() < core_.records_max &&
         core_.journal->keeps_arena_from(core_.arena_wanted_from(), data_length);
}

std::string DataPath::what_fills_up() const {
  if (core_.apply_blocked) return "block storage does not take writes: " + core_.reason;
  const std::string log_waits_for = core_.log_waits_for();
  if (!log_waits_for.empty()) return log_waits_for;
  if (core_.seal_blocked) return "the log's stores do not keep up";
  return "the disk does not keep up";
}

// Whether more than this share is in use, of which some may be released at any time.
bool DataPath::is_used(double share) const {
  const std::uint64_t used = core_.journal->head() - core_.journal->tail();
  return static_cast<double>(used) > share * static_cast<double>(core_.journal->bytes_total()) ||
         static_cast<double>(core_.table.size()) > share * static_cast<double>(core_.records_max);
}

Pacing::Fill DataPath::fill() const {
  const Sequence releasable_end = std::min(core_.stored.value() + 1, core_.next_apply);
  const journal::Position releasable = core_.position_of(releasable_end);
  return {.total = core_.journal->bytes_total(),
          .stall_timeout_ns = core_.settings.stall_timeout_ns,
          .held = core_.journal->head() - releasable,
          .releasable = releasable,
          .other = static_cast<double>(core_.table_end() - releasable_end) /
                   static_cast<double>(core_.records_max)};
}

// Before there is no room at all.
void DataPath::slow_down(std::uint32_t data_length, TimePoint deadline) {
  if (!is_used(Pacing::kSlowFrom) && ++watched_ % kWatchEvery != 0) return;
  const TimePoint now = std::chrono::steady_clock::now();
  const auto now_ns =
      static_cast<std::uint64_t>(now.time_since_epoch() / std::chrono::nanoseconds(1));
  const std::uint64_t begin_ns =
      pacing_.begin_at(fill(), journal::kRecordHeaderBytes + data_length, now_ns);
  if (begin_ns <= now_ns) return;
  ++core_.counters.slowed;
  const TimePoint begin = std::min(deadline, now + std::chrono::nanoseconds(begin_ns - now_ns));
  core_.work_changed();
  while (core_.state == State::kServing && is_used(Pacing::kSlowFrom) &&
         std::chrono::steady_clock::now() < begin) {
    (void)core_.room.wait_until(core_.mutex(), begin);
  }
}

// Whoever has waited for room may find that writes are held since.
Status DataPath::wait_for_turn(std::uint32_t data_length, Deadline& deadline, bool held) {
  for (;;) {
    if (core_.writes_held && !held && !deadline) {
      deadline = std::chrono::steady_clock::now() +
                 std::chrono::nanoseconds(core_.settings.stall_timeout_ns);
    }
    while (core_.writes_held && !held && core_.state == State::kServing) {
      if (core_.room.wait_until(core_.mutex(), *deadline)) continue;
      return fail(Code::kTimeout,
                  fmt::format("write: {}: it is going over to its standby without some bytes, and "
                              "logs them anew first",
                              core_.who()));
    }
    if (!held) TLOG_TRY(keep_lags(data_length, deadline));
    TLOG_TRY(wait_for_room(data_length, deadline));
    if (!core_.writes_held || held) return {};
  }
}

// The one place where everything behind the data path pushes back.
Status DataPath::wait_for_room(std::uint32_t data_length, Deadline& deadline) {
  if (core_.state != State::kServing) return failed("write");
  if (core_.config.read_only) {
    return fail(Code::kNotSupported, fmt::format("write: {}: is configured readOnly", core_.who()));
  }
  if (!is_used(Pacing::kWatchFrom) && has_room(data_length)) return {};
  const std::uint64_t stall_timeout_ns = core_.settings.stall_timeout_ns;
  if (!deadline) {
    deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(stall_timeout_ns);
  }
  slow_down(data_length, *deadline);
  if (core_.state != State::kServing) return failed("write");
  if (has_room(data_length)) return {};
  ++core_.counters.stalls;
  ++core_.waiting_for_room;
  bool in_time = true;
  while (core_.state == State::kServing && !has_room(data_length) && in_time) {
    core_.request_commit();
    core_.work_changed();
    // Not only when told: stores that stop answering tell nobody.
    (void)core_.room.wait_until(
        core_.mutex(), std::min(*deadline, std::chrono::steady_clock::now() + kLookForRoomAgain));
    in_time = std::chrono::steady_clock::now() < *deadline;
  }
  --core_.waiting_for_room;
  if (core_.state != State::kServing) return failed("write");
  if (has_room(data_length)) return {};
  return fail(
      Code::kTimeout,
      fmt::format("write: {}: no room in the journal within stallTimeout ({}): {}", core_.who(),
                  config::format_duration_ns(stall_timeout_ns), what_fills_up()));
}

}  // namespace tlog::session
