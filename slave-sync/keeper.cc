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
  stopped_.notify_all();
}

void Keeper::stop() {
  ask_to_stop();
  if (follower_thread_.joinable()) follower_thread_.join();
  if (watch_thread_.joinable()) watch_thread_.join();
}

void Keeper::on_stored() {
  MutexLock lock(mutex_);
  if (std::exchange(more_stored_, true) || !following_) return;  // it has been told
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
      if (state_ != StandbyState::kInSync) {
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
      state_ = StandbyState::kWaiting;
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

std::unique_ptr<session::Standby> make_keeper(session::StandbyParts parts) {
  return std::make_unique<Keeper>(std::move(parts));
}

}  // namespace tlog::standby
