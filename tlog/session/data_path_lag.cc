// File: tlog/session/data_path_lag.cc
// Where the promises of maxLag push back: before one is broken writers are slowed down; at it they
// wait, or are refused.
#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/limits.h"
#include "tlog/session/data_path.h"
#include "tlog/session/lag.h"

namespace tlog::session {
namespace {

constexpr std::chrono::milliseconds kLookAtLagAgain(20);

std::uint64_t in_ns(std::chrono::steady_clock::time_point time) {
  return static_cast<std::uint64_t>(time.time_since_epoch() / std::chrono::nanoseconds(1));
}

}  // namespace

// In bytes where they are known. What has been synced may have left the record table: it counts in
// records.
LagPacing::Progress DataPath::lag_progress(LagOf what) {
  LagPacing::Progress progress{
      .max_ns = std::max<std::uint64_t>(1, core_.settings.lag(what).max_ns),
      .age_ns = lag_ns(core_, what)};
  if (what == LagOf::kStored) {
    progress.reached = core_.position_of(core_.stored.value() + 1);
    progress.behind = core_.journal->head() - progress.reached;
    progress.step = kAggregationDataMax;
  } else if (core_.oldest_unsynced.load() != 0) {
    const Sequence appended = core_.appended.load();
    progress.reached = std::min(appended, core_.synced.load());
    progress.behind = appended - progress.reached;
  }
  return progress;
}

bool DataPath::is_over(LagOf what) {
  const std::uint64_t max = core_.settings.lag(what).max_ns;
  return max != 0 && lag_ns(core_, what) >= max;
}

void DataPath::wait_while(const std::function<bool()>& condition, TimePoint until) {
  core_.work_changed();
  while (core_.state == State::kServing && condition() &&
         std::chrono::steady_clock::now() < until) {
    // The standby tells nobody how far it has come.
    (void)core_.room.wait_until(
        core_.mutex(), std::min(until, std::chrono::steady_clock::now() + kLookAtLagAgain));
  }
}

// One promise of `onLag: throttle`.
Status DataPath::throttle(LagOf what, std::uint32_t data_length, Deadline& deadline) {
  LagPacing& pacing = lag_pacing_[static_cast<std::size_t>(what)];
  const std::uint64_t stall_timeout_ns = core_.settings.stall_timeout_ns;
  const std::uint64_t now_ns = in_ns(std::chrono::steady_clock::now());
  const LagPacing::Progress progress = lag_progress(what);
  pacing.measure(progress, now_ns);
  const std::uint64_t amount =
      what == LagOf::kStored ? journal::kRecordHeaderBytes + data_length : 1;
  const std::uint64_t begin_ns = pacing.begin_at(progress, amount, stall_timeout_ns, now_ns);
  if (begin_ns <= now_ns && !is_over(what)) return {};
  const TimePoint now{std::chrono::nanoseconds(now_ns)};
  if (!deadline) deadline = now + std::chrono::nanoseconds(stall_timeout_ns);
  if (!is_over(what)) {
    ++core_.counters.slowed;
    const auto is_close = [&]() NO_THREAD_SAFETY_ANALYSIS {
      const LagPacing::Progress later = lag_progress(what);
      pacing.measure(later, in_ns(std::chrono::steady_clock::now()));
      return !is_over(what) && pacing.share(later) > LagPacing::kSlowFrom;
    };
    wait_while(is_close, std::min(*deadline, TimePoint(std::chrono::nanoseconds(begin_ns))));
  }
  if (!is_over(what)) return {};
  ++core_.counters.stalls;
  ++core_.waiting_for_room;  // what has gathered is not kept back for more
  core_.request_commit();
  wait_while([&]() NO_THREAD_SAFETY_ANALYSIS { return is_over(what); }, *deadline);
  --core_.waiting_for_room;
  if (core_.state != State::kServing || !is_over(what)) return {};
  return fail(Code::kTimeout,
              fmt::format("write: {}: held back for stallTimeout ({}) to keep a promise (onLag: "
                          "throttle): {}",
                          core_.who(), config::format_duration_ns(stall_timeout_ns),
                          lag_text(core_, what, lag_ns(core_, what))));
}

Status DataPath::keep_lags(std::uint32_t data_length, Deadline& deadline) {
  for (LagOf what : kLagsOf) {
    const KeptLag& kept = core_.settings.lag(what);
    const std::uint64_t max = kept.max_ns;
    if (max == 0) continue;
    switch (kept.on_lag.load()) {
      case config::OnLag::kAlarm:
        break;
      case config::OnLag::kThrottle:
        TLOG_TRY(throttle(what, data_length, deadline));
        break;
      case config::OnLag::kFail:
        if (const std::uint64_t lag = lag_ns(core_, what); lag > max) {
          return fail(Code::kUnavailable, fmt::format("write: {}: refused (onLag: fail): {}",
                                                      core_.who(), lag_text(core_, what, lag)));
        }
        break;
    }
  }
  return {};
}

}  // namespace tlog::session
