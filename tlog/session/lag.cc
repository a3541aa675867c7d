// File: tlog/session/lag.cc
#include "tlog/session/lag.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::session {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
// Looked at so often within maxLag, and within these bounds.
constexpr std::uint64_t kLooks = 20;
constexpr std::uint64_t kLookLeastNs = 10 * kMs;
constexpr std::uint64_t kLookMostNs = 1'000 * kMs;

std::size_t index_of(LagOf what) {
  return static_cast<std::size_t>(what);
}

std::string in_ms(std::uint64_t ns) {
  return config::format_duration_ns(ns / kMs * kMs);
}

// The record after `reached`; 0 when there is none, or nothing is known of it.
TimestampNs after(Core& core, Sequence reached) REQUIRES(core.mutex()) {
  const Sequence next = reached + 1;
  if (next < core.table_first || next >= core.table_end()) return 0;
  return core.entry(next).timestamp;
}

TimestampNs oldest(Core& core, LagOf what) REQUIRES(core.mutex()) {
  // What is not stored is never released.
  if (what == LagOf::kStored) return after(core, core.stored.value());
  const TimestampNs known = core.oldest_unsynced.load();
  const Sequence synced = core.synced.load();
  if (known == 0 || synced >= core.appended.load()) return 0;
  const TimestampNs newer = after(core, synced);
  return newer == 0 ? known : newer;
}

}  // namespace

std::string_view lag_name(LagOf what) {
  return what == LagOf::kStored ? "stored" : "synced";
}

std::uint64_t lag_ns(Core& core, LagOf what) {
  const TimestampNs since = oldest(core, what);
  if (since == 0) return 0;
  const TimestampNs now = core.clock.wall_ns();
  return now > since ? now - since : 0;
}

std::string lag_text(const Core& core, LagOf what, std::uint64_t lag) {
  const bool is_stored = what == LagOf::kStored;
  std::string why = is_stored ? core.log_waits_for() : "`tlogctl status` shows the standby";
  if (why.empty()) why = "the log's stores do not keep up";
  return fmt::format(
      "what is acknowledged is not {} within {}.maxLag ({}): the oldest such write "
      "is {} old: {}",
      is_stored ? "stored" : "on the standby", is_stored ? "tlog" : "slaveStorage",
      config::format_duration_ns(core.settings.lag(what).max_ns), in_ms(lag), why);
}

void LagWatch::start() {
  core_.loop.post([this] {
    started_ = true;
    look();
  });
}

void LagWatch::settings_changed() {
  core_.loop.post([this] {
    if (started_) look();
  });
}

void LagWatch::stop() {
  io::run_on(core_.loop, [this] {
    started_ = false;
    core_.loop.cancel_timer(timer_);
    timer_ = 0;
  });
}

void LagWatch::look() {
  for (LagOf what : kLagsOf) look_at(what);
  arm();
}

void LagWatch::arm() {
  core_.loop.cancel_timer(timer_);
  timer_ = 0;
  std::uint64_t least = 0;
  for (LagOf what : kLagsOf) {
    const std::uint64_t max = core_.settings.lag(what).max_ns;
    if (max != 0 && (least == 0 || max < least)) least = max;
  }
  if (least == 0) return;  // until the settings change
  const std::uint64_t after_ns = std::clamp(least / kLooks, kLookLeastNs, kLookMostNs);
  timer_ = core_.loop.add_timer(after_ns, [this] {
    timer_ = 0;
    look();
  });
}

void LagWatch::look_at(LagOf what) {
  const std::uint64_t max = core_.settings.lag(what).max_ns;
  std::uint64_t lag = 0;
  if (max != 0) {
    MutexLock lock(core_.mutex());
    lag = lag_ns(core_, what);
  }
  MutexLock lock(mutex_);
  std::string& alarm = alarms_[index_of(what)];
  const bool was_alarm = !alarm.empty();
  const bool is_alarm = max != 0 && lag > (was_alarm ? max / 4 * 3 : max);
  alarm = is_alarm ? lag_text(core_, what, lag) : "";
  if (is_alarm == was_alarm) return;
  core_.logger.warning(
      is_alarm ? fmt::format("event=lag_alarm vdisk={} what={} lag={} max={} reason=\"{}\"",
                             core_.config.name, lag_name(what), in_ms(lag),
                             config::format_duration_ns(max), alarm)
               : fmt::format("event=lag_over vdisk={} what={} lag={} max={}", core_.config.name,
                             lag_name(what), in_ms(lag), config::format_duration_ns(max)));
}

std::vector<std::string> LagWatch::alarms() const {
  std::vector<std::string> all;
  MutexLock lock(mutex_);
  for (LagOf what : kLagsOf) {
    const std::string& alarm = alarms_[index_of(what)];
    if (alarm.empty()) continue;
    all.push_back(
        fmt::format("{}: {}", what == LagOf::kStored ? "stored-lag" : "standby-lag", alarm));
  }
  return all;
}

}  // namespace tlog::session
