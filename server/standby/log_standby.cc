#include "server/standby/log_standby.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

namespace tlog::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds kRetryFirst = milliseconds(50);
constexpr nanoseconds kRetryMost = milliseconds(1'000);
// The servers are asked where they are so often, also when nothing is written.
constexpr nanoseconds kLookAgain = milliseconds(1'000);

constexpr std::string_view kInSync = "in sync";
constexpr std::string_view kCatchingUp = "catching up";
constexpr std::string_view kWaiting = "waiting";
constexpr std::string_view kDiverged = "diverged";

}  // namespace

LogStandby::LogStandby(const FollowedLog::Parts& parts,
                       std::vector<store::RespStoreOptions> servers,
                       std::function<void(Sequence)> on_synced)
    : loop_(*parts.loop),
      logger_(*parts.logger),
      followed_(parts),
      waits_(std::make_shared<SyncWaits>(loop_, followed_.name(), std::move(on_synced))),
      follower_(followed_, {.servers = std::move(servers),
                            .discard = false,
                            .stopping = [this] { return stopping_.load(); },
                            .on_progress = [this] { tell(); }}) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "tlog-follow");
}

LogStandby::~LogStandby() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  // What its servers do not answer is not waited for.
  if (const auto storage = follower_.storage()) storage->give_up();
  thread_.join();
  io::run_on(loop_, [this] { waits_->end(); });
}

void LogStandby::stored(Sequence) {
  MutexLock lock(mutex_);
  if (!std::exchange(more_stored_, true)) changed_.notify_all();
}

void LogStandby::wait(Sequence target, std::uint64_t timeout_ns, SlaveSync::Standby::Done done) {
  std::uint64_t asked = 0;
  {
    MutexLock lock(mutex_);
    asked = ++asked_;
    changed_.notify_all();
  }
  waits_->add(target, asked, timeout_ns, std::move(done));
}

SlaveSync::Standby::State LogStandby::state() const {
  const SyncWaits::News& news = waits_->news();
  return {.name = news.state, .has = news.has, .reason = news.reason};
}

// ---- The thread ----

void LogStandby::run() {
  nanoseconds pause_before = kRetryFirst;
  bool is_open = false;
  TimePoint looked{};
  while (!stopping_) {
    std::uint64_t asked = 0;
    bool asks = false;
    {
      MutexLock lock(mutex_);
      more_stored_ = false;
      asked = asked_;
      asks = asked_ != answered_;
    }
    const TimePoint now = steady_now();
    asks = asks || now - looked >= kLookAgain;
    if (asks) looked = now;
    Status done = is_open ? Status() : follower_.open();
    is_open = done.has_value();
    if (stopping_) return;  // before its servers are asked anything that nobody gives up any more
    if (done) done = follower_.catch_up(asks);
    if (stopping_) return;
    round_ended(done, asked);
    pause(done ? kLookAgain : pause_before, done.has_value());
    pause_before = done ? kRetryFirst : std::min(2 * pause_before, kRetryMost);
  }
}

// Who is level goes on as soon as there is more to do; who is not waits for the time.
void LogStandby::pause(nanoseconds time, bool is_level) {
  const TimePoint until = steady_now() + time;
  MutexLock lock(mutex_);
  while (!stopping_ && !(is_level && (more_stored_ || asked_ != answered_))) {
    if (!changed_.wait_until(mutex_, until)) return;
  }
}

// A batch has been brought, or the servers have said where they are.
void LogStandby::tell() {
  news_.has = follower_.position().sequence;
  if (news_.state != kInSync) {
    news_.state = kCatchingUp;
    news_.reason.clear();
    news_.hopeless = false;
  }
  loop_.post([waits = waits_, news = news_] { waits->hear(news); });
}

void LogStandby::round_ended(const Status& done, std::uint64_t asked) {
  const std::string told = std::exchange(news_.reason, "");
  const std::string before = news_.state;
  news_.has = follower_.position().sequence;
  news_.hopeless = !done && done.error().code() == Code::kCorruption;
  news_.state = done ? kInSync : news_.hopeless ? kDiverged : kWaiting;
  const std::string& vdisk = followed_.name();
  if (done) {
    news_.answered = asked;
    MutexLock lock(mutex_);
    answered_ = asked;
  } else {
    news_.reason = done.error().message();
  }
  if (news_.hopeless)
    news_.reason += "; empty that server, and it is filled from the log's beginning";
  loop_.post([waits = waits_, news = news_] { waits->hear(news); });
  if (done) {
    if (before == kInSync) return;
    return logger_.info(
        fmt::format("event=standby_in_sync vdisk={} sequence={}", vdisk, news_.has));
  }
  if (before == news_.state && told == news_.reason) return;
  logger_.warning(fmt::format("event=standby_{} vdisk={} reason=\"{}\" next=\"tried again\"",
                              news_.state, vdisk, news_.reason));
}

}  // namespace tlog::server
