#include "slave-sync/keeper.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>

#include "slave-sync/receipts.h"

namespace tlog::standby {
namespace {

using session::StandbyState;

constexpr auto kRetryFirst = std::chrono::milliseconds(50);
constexpr auto kRetryMost = std::chrono::milliseconds(1000);
// Nothing that is stored goes unnoticed; this is for what is not told.
constexpr auto kLookAgain = std::chrono::milliseconds(1000);

std::chrono::steady_clock::time_point after(std::chrono::nanoseconds time) {
  return std::chrono::steady_clock::now() + time;
}

}  // namespace

Keeper::Keeper(session::StandbyParts parts)
    : parts_(std::move(parts)),
      followed_(parts_),
      core_(*parts_.core),
      switches_(parts_.switches),
      settings_(parts_.settings),
      active_(parts_.active),
      standby_(active_ == settings_.slave ? settings_.primary : settings_.slave) {
  MutexLock lock(mutex_);
  if (settings_.slave_sync && !standby_.empty()) begin_following(false);
}

void Keeper::start() {
  auto receipt = newest_receipt(*parts_.files, parts_.receipts);
  if (!receipt) {
    core_.logger.warning(fmt::format("event=receipt_unreadable vdisk={} reason=\"{}\"",
                                     core_.config.name, receipt.error().message()));
  }
  MutexLock lock(mutex_);
  if (receipt) last_receipt_ = *std::move(receipt);
  started_ = true;
  if (!standby_.empty()) start_threads();
}

void Keeper::start_threads() {
  if (!started_ || has_threads_ || stopping_) return;
  has_threads_ = true;
  follower_thread_ = std::thread([this] { run_follower(); });
  pthread_setname_np(follower_thread_.native_handle(), "tlog-follow");
  watch_thread_ = std::thread([this] { run_watch(); });
  pthread_setname_np(watch_thread_.native_handle(), "tlog-standby");
}

void Keeper::ask_to_stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void Keeper::stop() {
  ask_to_stop();
  if (follower_thread_.joinable()) follower_thread_.join();
  if (watch_thread_.joinable()) watch_thread_.join();
}

void Keeper::on_stored() {
  MutexLock lock(mutex_);
  more_stored_ = true;
  changed_.notify_all();
}

std::vector<store::RespStoreOptions> Keeper::servers_of(const std::string& cluster) const {
  return cluster == settings_.slave ? settings_.slave_servers : settings_.primary_servers;
}

// ---- Following ----

void Keeper::begin_following(bool discard) {
  following_ = true;
  discard_ = discard;
  was_complete_ = false;
  state_ = StandbyState::kStarting;
  reason_.clear();
  ++generation_;
  changed_.notify_all();
}

void Keeper::stop_following() {
  following_ = false;
  ++generation_;
  changed_.notify_all();
}

bool Keeper::goes_on(std::uint64_t generation) const {
  MutexLock lock(mutex_);
  return !stopping_ && following_ && generation_ == generation;
}

// Whoever goes over with a follower that is parked may still read the log with it.
bool Keeper::is_over(std::uint64_t generation) const {
  MutexLock lock(mutex_);
  return stopping_ || (!parked_ && (!following_ || generation_ != generation));
}

void Keeper::run_follower() {
  for (;;) {
    std::shared_ptr<Follower> follower;
    std::uint64_t generation = 0;
    {
      MutexLock lock(mutex_);
      parked_ = true;
      changed_.notify_all();
      while (!stopping_ && !following_) changed_.wait(mutex_);
      if (stopping_) return;
      parked_ = false;
      generation = generation_;
      Follower::Options options{.servers = servers_of(standby_),
                                .discard = discard_,
                                .stopping = [this, generation] { return is_over(generation); },
                                .on_progress = [this] { note_progress(); }};
      follower_ = follower = std::make_shared<Follower>(followed_, std::move(options));
    }
    follow(*follower, generation);
  }
}

void Keeper::follow(Follower& follower, std::uint64_t generation) {
  {
    MutexLock lock(core_.mutex());
    core_.keeps_unsynced = true;
  }
  std::chrono::nanoseconds pause = kRetryFirst;
  bool is_open = false;
  TimePoint looked{};
  while (goes_on(generation)) {
    Round round{.generation = generation};
    bool is_asked = false;
    {
      MutexLock lock(mutex_);
      more_stored_ = false;
      round.asked = asked_;
      is_asked = asked_ != answered_;
    }
    // Also when nobody asks, and nothing is written: so that it is known in time.
    const TimePoint now = std::chrono::steady_clock::now();
    const bool asks = is_asked || now - looked >= kLookAgain;
    if (asks) looked = now;
    Status done = is_open ? Status() : follower.open();
    is_open = static_cast<bool>(done);
    if (done) done = follower.catch_up(asks);
    note_round(done, round);
    const TimePoint until = after(done ? std::chrono::nanoseconds(kLookAgain) : pause);
    pause = done ? std::chrono::nanoseconds(kRetryFirst)
                 : std::min<std::chrono::nanoseconds>(2 * pause, kRetryMost);
    MutexLock lock(mutex_);
    while (!stopping_ && following_ && generation_ == generation &&
           !(done && (more_stored_ || asked_ != answered_))) {
      if (!changed_.wait_until(mutex_, until)) break;
    }
  }
}

void Keeper::note_progress() {
  MutexLock lock(mutex_);
  if (!follower_) return;
  core_.synced = follower_->position().sequence;
  if (state_ == StandbyState::kStarting || state_ == StandbyState::kWaiting) {
    state_ = StandbyState::kCatchingUp;
    reason_.clear();
  }
  changed_.notify_all();
}

void Keeper::note_round(const Status& done, const Round& round) {
  std::string event;
  {
    MutexLock lock(mutex_);
    if (stopping_ || !following_ || generation_ != round.generation) return;
    if (done) {
      answered_ = round.asked;
      if (state_ != StandbyState::kInSync && state_ != StandbyState::kFailingOver) {
        event = fmt::format("event=standby_in_sync vdisk={} cluster={} sequence={}",
                            core_.config.name, standby_, follower_->position().sequence);
        state_ = StandbyState::kInSync;
      }
      reason_.clear();
      was_complete_ = true;
    } else if (done.error().code() == Code::kCorruption) {
      reason_ = done.error().message() +
                fmt::format(
                    "; `tlogctl resync {} --force` empties what has diverged and fills it "
                    "from the log",
                    core_.config.name);
      event = fmt::format("event=standby_diverged vdisk={} cluster={} reason=\"{}\"",
                          core_.config.name, standby_, reason_);
      state_ = StandbyState::kDiverged;
      stop_following();
    } else {
      const bool is_news = reason_ != done.error().message();
      reason_ = done.error().message();
      if (state_ != StandbyState::kFailingOver) state_ = StandbyState::kWaiting;
      if (is_news) {
        event = fmt::format(
            "event=standby_waiting vdisk={} cluster={} reason=\"{}\" next=\"tried again\"",
            core_.config.name, standby_, reason_);
      }
    }
    changed_.notify_all();
  }
  {
    MutexLock lock(core_.mutex());
    core_.unsynced.forget(core_.synced.load());
  }
  if (event.empty()) return;
  if (done) return core_.logger.info(event);
  core_.logger.warning(event);
}

// ---- Asked for ----

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
  const TimePoint deadline = after(std::chrono::nanoseconds(timeout_ns));
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

std::unique_ptr<session::Standby> make_keeper(session::StandbyParts parts) {
  return std::make_unique<Keeper>(std::move(parts));
}

}  // namespace tlog::standby
