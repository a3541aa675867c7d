// What others see of the coordinator: admissions, status, and the beginnings of the vdisk. The
// lease is in coordinator_lease.cc.
#include "tlog/session/coordinator.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <system_error>

namespace tlog::session {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

std::uint64_t seconds_of(std::uint64_t ns) {
  return (ns + kSecondNs - 1) / kSecondNs;
}

}  // namespace

std::string_view lease_state_name(LeaseState state) {
  switch (state) {
    case LeaseState::kStarting:
      return "starting";
    case LeaseState::kUnreachable:
      return "unreachable";
    case LeaseState::kStandby:
      return "standby";
    case LeaseState::kBeginning:
      return "beginning";
    case LeaseState::kHeld:
      return "held";
    case LeaseState::kLost:
      return "lost";
    case LeaseState::kRefused:
      return "refused";
  }
  return "unknown";
}

Coordinator::Coordinator(Parts parts)
    : parts_(std::move(parts)), settings_(parts_.settings), password_(parts_.password) {}

Coordinator::~Coordinator() {
  stop_beginning();
  end(/*everything_stored=*/false, 0);
}

Status Coordinator::start() {
  try {
    beginning_thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "tlog-begin");
      run_beginnings();
    });
    lease_thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "tlog-lease");
      run_lease();
    });
  } catch (const std::system_error& error) {
    return fail(os_error(error.code().value(), "start: the coordination's threads"));
  }
  return {};
}

void Coordinator::look_again() {
  MutexLock lock(mutex_);
  changed_.notify_all();
}

void Coordinator::refuse() {
  MutexLock lock(mutex_);
  refuses_ = true;
  changed_.notify_all();
}

void Coordinator::stop_beginning() {
  refuse();
  {
    MutexLock lock(mutex_);
    beginnings_stop_ = true;
    changed_.notify_all();
  }
  if (beginning_thread_.joinable()) beginning_thread_.join();
}

void Coordinator::reconfigure(const config::Coordination& settings, std::string password) {
  MutexLock lock(mutex_);
  settings_ = settings;
  password_ = std::move(password);
  is_reconfigured_ = true;
  changed_.notify_all();
}

std::uint64_t Coordinator::ttl_ns() const {
  MutexLock lock(mutex_);
  return settings_.lease_ttl_ns;
}

// ---- Beginnings ----

void Coordinator::run_beginnings() {
  for (;;) {
    TakeoverOptions options;
    {
      MutexLock lock(mutex_);
      while (!shared_.begin_wanted && !beginnings_stop_) changed_.wait(mutex_);
      if (beginnings_stop_) return;
      shared_.begin_wanted = false;
      shared_.is_beginning = true;
      shared_.refusal.clear();
      options = shared_.takeover;
    }
    options.stop = &beginnings_stop_;
    progress_done_ = 0;
    progress_last_ = 0;
    const Status begun = parts_.begin(options, [this](Sequence done, Sequence last) {
      progress_done_ = done;
      progress_last_ = last;
    });
    MutexLock lock(mutex_);
    shared_.is_beginning = false;
    shared_.is_ready = begun.has_value();
    if (!begun) {
      shared_.refusal = begun.error().message();
      parts_.logger->error(
          fmt::format("event=not_begun vdisk={} reason=\"{}\" next=\"the lease is given back, and "
                      "tried again\"",
                      parts_.vdisk, shared_.refusal));
    }
    changed_.notify_all();
  }
}

// ---- For whoever asks ----

LeaseState Coordinator::state() const {
  if (shared_.is_held && shared_.is_beginning) return LeaseState::kBeginning;
  if (shared_.is_held && !shared_.is_overdue && shared_.is_ready) return LeaseState::kHeld;
  if (shared_.is_open) return LeaseState::kLost;
  if (!shared_.has_looked) return LeaseState::kStarting;
  if (!shared_.trouble.empty()) return LeaseState::kUnreachable;
  if (!shared_.holder.empty()) return LeaseState::kStandby;
  if (!shared_.refusal.empty()) return LeaseState::kRefused;
  // Free a moment ago, and being campaigned for.
  return shared_.is_held ? LeaseState::kBeginning : LeaseState::kStarting;
}

std::uint64_t Coordinator::ends_in() const {
  const std::uint64_t now_ns = parts_.clock->monotonic_ns();
  return shared_.ends_ns > now_ns ? shared_.ends_ns - now_ns : 0;
}

std::string Coordinator::reason(LeaseState state) const {
  switch (state) {
    case LeaseState::kHeld:
      return shared_.trouble.empty() ? "" : "etcd: " + shared_.trouble;
    case LeaseState::kStarting:
      return "etcd has not answered yet";
    case LeaseState::kUnreachable:
      return fmt::format(
          "etcd cannot be reached ({}), and another host may serve it: bring etcd back, or take "
          "coordination out of the configuration if no other host serves this vdisk",
          shared_.trouble);
    case LeaseState::kStandby: {
      const std::uint64_t left_ns = ends_in();
      return fmt::format("is served by host {}{}", shared_.holder,
                         left_ns == 0 ? std::string()
                                      : fmt::format(" (lease ends in {} s unless it is renewed)",
                                                    seconds_of(left_ns)));
    }
    case LeaseState::kBeginning: {
      const Sequence last = progress_last_;
      return fmt::format("is being taken over or opened here{}",
                         last == 0 ? std::string()
                                   : fmt::format(", {} % of the log", progress_done_ * 100 / last));
    }
    case LeaseState::kLost:
      if (!shared_.holder.empty()) {
        return fmt::format(
            "host {} has it; this host goes on until the stores say that it was taken over",
            shared_.holder);
      }
      return fmt::format(
          "etcd cannot be reached ({}); this host goes on, another one that reaches etcd may take "
          "over",
          shared_.trouble.empty() ? "the lease has ended" : shared_.trouble);
    case LeaseState::kRefused:
      return shared_.refusal;
  }
  return {};
}

LeaseStatus Coordinator::status() const {
  MutexLock lock(mutex_);
  LeaseStatus status;
  status.vdisk = parts_.vdisk;
  status.state = state();
  status.holder = shared_.is_held ? parts_.host : shared_.holder;
  status.ends_in_ns = ends_in();
  status.reason = reason(status.state);
  return status;
}

Status Coordinator::admit() {
  const std::uint64_t began_ns = parts_.clock->monotonic_ns();
  MutexLock lock(mutex_);
  for (;;) {
    if (refuses_) {
      return fail(Code::kShutdown, fmt::format("open: vdisk '{}': shutting down", parts_.vdisk));
    }
    const LeaseState now = state();
    if (now == LeaseState::kHeld || (now == LeaseState::kLost && shared_.is_ready)) return {};
    std::uint64_t patience_ns = settings_.standby ? parts_.times.standby_ns : 0;
    if (now == LeaseState::kStarting) patience_ns = std::max(patience_ns, parts_.times.first_ns);
    if (now == LeaseState::kBeginning) patience_ns = std::max(patience_ns, parts_.times.begin_ns);
    const std::uint64_t passed_ns = parts_.clock->monotonic_ns() - began_ns;
    if (passed_ns >= patience_ns) {
      const bool is_said_of_it = now == LeaseState::kStandby || now == LeaseState::kBeginning;
      return fail(Code::kUnavailable, fmt::format("open: vdisk '{}'{} {}", parts_.vdisk,
                                                  is_said_of_it ? "" : ":", reason(now)));
    }
    changed_.wait_until(mutex_, steady_now() + std::chrono::nanoseconds(patience_ns - passed_ns));
  }
}

}  // namespace tlog::session
