#include <fmt/format.h>

#include <algorithm>

#include "slave-sync/keeper.h"

// The Keeper's watch over the cluster that is active: when it goes over by itself.
namespace tlog::standby {
namespace {

using session::StandbyState;

constexpr auto kLookEvery = std::chrono::milliseconds(20);
constexpr std::uint64_t kAgainNs = 1'000'000'000;
// Then it is begun anew, while the cause lasts: so that applying, a reload and commands get in
// between.
constexpr std::uint64_t kAutomaticTimeoutNs = 5'000'000'000;

// It has lost something, as after a takeover by a host without the journal, and gets it from the
// log.
bool is_refilled(const blocks::BlockStorage& storage) {
  const auto parts = storage.parts();
  return std::any_of(parts.begin(), parts.end(),
                     [](const blocks::PartStatus& part) { return part.wanted > part.has; });
}

}  // namespace

void Keeper::run_watch() {
  ActiveWatch watch;
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      (void)stopped_.wait_until(mutex_, std::chrono::steady_clock::now() + kLookEvery);
      if (stopping_) return;
    }
    watch_once(watch);
  }
}

void Keeper::watch_once(ActiveWatch& watch) {
  const std::uint64_t now = core_.clock.monotonic_ns();
  const bool was_failing = watch.failing_since() != 0;
  const std::string before = watch.what();
  const auto storage = core_.storage();
  watch.look(*storage, now);
  const bool is_failing = watch.failing_since() != 0;
  bool is_due = false;
  bool has_failed = false;
  std::string active;
  {
    MutexLock lock(core_.mutex());
    has_failed = core_.state == session::State::kFailed;
  }
  {
    MutexLock lock(mutex_);
    failing_since_ns_ = watch.failing_since();
    const std::uint64_t patience = settings_.failover_after_ns;
    is_due = is_failing && !has_failed && patience != 0 &&
             now - watch.failing_since() >= patience && now >= not_before_ns_ && was_complete_ &&
             following_;
    active = active_;
    if (was_failing != is_failing) changed_.notify_all();
  }
  note_lag();
  if (is_failing && !was_failing) {
    core_.logger.warning(fmt::format("event=active_failing vdisk={} cluster={} reason=\"{}\"",
                                     core_.config.name, active, watch.what()));
  } else if (was_failing && !is_failing) {
    core_.logger.info(fmt::format("event=active_well vdisk={} cluster={} reason_was=\"{}\"",
                                  core_.config.name, active, before));
  }
  if (is_due) try_automatic(watch.what());
}

// For the promise of maxLag, and for people.
void Keeper::note_lag() {
  bool is_kept = false;
  {
    MutexLock lock(mutex_);
    is_kept = following_ && was_complete_;  // before, there is nothing that could be kept
  }
  const Sequence next = core_.synced.load() + 1;
  if (!is_kept || next > core_.appended.load()) {
    core_.oldest_unsynced = 0;
    return;
  }
  MutexLock lock(core_.mutex());
  if (next >= core_.table_first && next < core_.table_end()) {
    core_.oldest_unsynced = core_.entry(next).timestamp;
  } else if (const auto stored = core_.recent_log.with(next)) {
    core_.oldest_unsynced = stored->first_timestamp;
  } else if (core_.oldest_unsynced.load() == 0) {
    // Older than what is known of: at least as old as the oldest of that.
    const auto oldest = core_.recent_log.oldest();
    core_.oldest_unsynced = oldest ? oldest->first_timestamp : core_.last_timestamp;
  }
}

void Keeper::try_automatic(const std::string& cause) {
  auto receipt = go_over({.timeout_ns = kAutomaticTimeoutNs}, cause, /*automatic=*/true);
  if (receipt) {
    told_refusal_.clear();
    return;
  }
  not_before_ns_ = core_.clock.monotonic_ns() + kAgainNs;
  if (std::exchange(told_refusal_, receipt.error().message()) == receipt.error().message()) return;
  core_.logger.error(
      fmt::format("event=failover_refused vdisk={} cause=\"{}\" reason=\"{}\" "
                  "next=\"tried again while the cause lasts\"",
                  core_.config.name, cause, receipt.error().message()));
}

// A client's read waits as long as it may yet be answered.
bool Keeper::await_storage(const blocks::BlockStorage* failed, std::uint64_t deadline_ns) {
  // Not sooner: a server that refuses at once would be asked without a pause.
  auto until = std::chrono::steady_clock::now() + kLookEvery;
  const bool will_be_well = is_refilled(*core_.storage());
  MutexLock lock(mutex_);
  for (;;) {
    if (core_.storage().get() != failed) return true;
    // Also when it has yet to be complete: after a host has died with its primary.
    const bool may_be_complete = was_complete_ || state_ != StandbyState::kWaiting;
    const bool may_go_over = following_ && may_be_complete && settings_.failover_after_ns != 0;
    const bool may_change = may_go_over || will_be_well || !phase_.empty();
    if (stopping_ || !may_change || core_.clock.monotonic_ns() >= deadline_ns) return false;
    const bool waited = !changed_.wait_until(mutex_, until);
    if (!waited) continue;
    if (failing_since_ns_ == 0) return core_.clock.monotonic_ns() < deadline_ns;
    until = std::chrono::steady_clock::now() + kLookEvery;
  }
}

}  // namespace tlog::standby
