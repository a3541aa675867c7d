#include <fmt/format.h>

#include <algorithm>

#include "slave-sync/keeper.h"

// What a Keeper is asked and told from outside.
namespace tlog::standby {

using session::StandbyState;

std::string Keeper::why_not_expected() const {
  if (stopping_) return "the vdisk is closing";
  switch (state_) {
    case StandbyState::kOff:
      return "slave sync is off; turn it on with `tlog: {slaveSync: true}`";
    case StandbyState::kDiverged:
      return fmt::format("the standby '{}' is refused: {}", standby_, reason_);
    case StandbyState::kFailedOver:
      return fmt::format(
          "it has gone over to cluster '{}', and nothing follows since; `tlogctl resync {}` brings "
          "'{}' up to date",
          active_, core_.config.name, standby_);
    default:
      return {};
  }
}

Status Keeper::wait_synced(Sequence target, std::uint64_t timeout_ns) {
  return wait_answer(ask(), target, timeout_ns);
}

std::uint64_t Keeper::ask() {
  MutexLock lock(mutex_);
  changed_.notify_all();
  return ++asked_;
}

Status Keeper::wait_answer(std::uint64_t asked, Sequence target, std::uint64_t timeout_ns) {
  const TimePoint deadline =
      std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout_ns);
  MutexLock lock(mutex_);
  for (;;) {
    if (std::string why = why_not_expected(); !why.empty()) {
      return fail(Code::kUnavailable, fmt::format("wait for slave sync: {}: {}", core_.who(), why));
    }
    const Sequence has = following_ && follower_ ? follower_->position().sequence : 0;
    if (has >= target && answered_ >= asked) return {};
    if (changed_.wait_until(mutex_, deadline)) continue;
    return fail(
        Code::kTimeout,
        fmt::format("wait for slave sync: {}: the standby '{}' has everything up to "
                    "sequence {}, {} was to be reached{}{}",
                    core_.who(), standby_, has, target, reason_.empty() ? "" : ": ", reason_));
  }
}

Status Keeper::resync(const session::ResyncOptions& options) {
  MutexLock lock(mutex_);
  auto refuse = [&](const std::string& why) {
    return fail(Code::kUnavailable, fmt::format("resync: {}: {}", core_.who(), why));
  };
  if (stopping_) return refuse("the vdisk is closing");
  if (!phase_.empty()) return refuse("it is going over to its standby");
  if (!settings_.slave_sync) {
    return refuse("slave sync is off; turn it on with `tlog: {slaveSync: true}`");
  }
  if (state_ == StandbyState::kDiverged && !options.force) return refuse(reason_);
  if (following_ && !options.force) return {};  // it is at it
  begin_following(options.force);
  core_.logger.info(fmt::format("event=resync vdisk={} cluster={} force={}", core_.config.name,
                                standby_, options.force ? "yes" : "no"));
  return {};
}

void Keeper::reconfigure(const Settings& settings) {
  MutexLock lock(mutex_);
  if (!phase_.empty()) {
    next_settings_ = settings;
    return;
  }
  take_settings(settings);
}

void Keeper::take_settings(const Settings& settings) {
  if (active_ != settings.primary && active_ != settings.slave) {
    // It has gone over since these were read: they are taken when it has come back.
    next_settings_ = settings;
    core_.logger.warning(fmt::format(
        "event=settings_wait vdisk={} active={} reason=\"the cluster that has the blocks is not "
        "named any more\" remedy=\"name it in storage or slaveStorage\"",
        core_.config.name, active_));
    return;
  }
  settings_ = settings;
  const std::string other = active_ == settings.slave ? settings.primary : settings.slave;
  const bool is_new = std::exchange(standby_, other) != other;
  core_.storage()->move_to(servers_of(active_));
  if (is_new) core_.synced = 0;
  if (!settings.slave_sync || standby_.empty()) {
    state_ = StandbyState::kOff;
    return stop_following();
  }
  start_threads();
  if (is_new || state_ == StandbyState::kOff) return begin_following(false);
  if (following_ && follower_ && follower_->storage()) {
    follower_->storage()->move_to(servers_of(standby_));
  }
}

void Keeper::end_phase() {
  phase_.clear();
  if (const auto next = std::exchange(next_settings_, std::nullopt)) take_settings(*next);
  changed_.notify_all();
}

session::StandbyStatus Keeper::status() const {
  session::StandbyStatus status;
  std::shared_ptr<Follower> follower;
  {
    MutexLock lock(mutex_);
    status.state = phase_.empty() ? state_ : StandbyState::kFailingOver;
    status.reason = reason_;
    status.active = active_;
    status.standby = standby_;
    status.phase = phase_;
    status.was_complete = was_complete_;
    status.failover_after_ns = settings_.failover_after_ns;
    status.last_receipt = last_receipt_;
    if (failing_since_ns_ != 0) status.failing_ns = core_.clock.monotonic_ns() - failing_since_ns_;
    if (following_) follower = follower_;
    if (state_ == StandbyState::kFailedOver || state_ == StandbyState::kOff)
      status.reason = why_not_expected();
  }
  if (!follower) return status;
  status.synced = follower->position();
  status.applied_bytes = follower->applied_bytes();
  const Sequence appended = core_.appended.load();
  status.lag_records = appended - std::min(appended, status.synced.sequence);
  if (const TimestampNs oldest = core_.oldest_unsynced.load(); oldest != 0) {
    const TimestampNs now = core_.clock.wall_ns();
    status.lag_ns = now > oldest ? now - oldest : 0;
  }
  if (follower->storage()) status.servers = follower->storage()->parts();
  return status;
}

}  // namespace tlog::standby
