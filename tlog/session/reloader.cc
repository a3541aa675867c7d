#include "tlog/session/reloader.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace tlog::session {
namespace {

std::string lines_of(const std::vector<config::Refusal>& refusals, const config::Checked& checked,
                     const std::string& source) {
  std::vector<config::Problem> problems;
  for (const config::Refusal& refusal : refusals) {
    problems.push_back(config::problem_of(refusal, checked.positions));
  }
  return config::format_problems(problems, source);
}

}  // namespace

Reloader::Reloader(Parts parts) : parts_(std::move(parts)) {
  MutexLock lock(mutex_);
  status_.source = parts_.source->name();
  status_.loaded_ns = parts_.clock->wall_ns();
}

Reloader::~Reloader() {
  stop();
}

Status Reloader::start() {
  try {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "tlog-reload");
      watch();
    });
  } catch (const std::system_error& error) {
    return fail(os_error(error.code().value(), "start: the configuration's thread"));
  }
  return {};
}

void Reloader::stop() {
  if (stopping_.exchange(true)) return;
  parts_.source->wake();
  if (thread_.joinable()) thread_.join();
}

// ---- Watching ----

void Reloader::watch() {
  while (!stopping_) {
    // First of all at the beginning: what changed between the start's reading and now is told by
    // nobody.
    look_if_different();
    const io::WatchOutcome outcome = parts_.source->wait_for_change(parts_.times.look_ns);
    if (outcome == io::WatchOutcome::kChanged) settle();
  }
}

// A file that is being written, or removed and made anew, is left to settle.
void Reloader::settle() {
  const std::uint64_t until = parts_.clock->monotonic_ns() + parts_.times.settle_ns_max;
  while (!stopping_ && parts_.clock->monotonic_ns() < until) {
    if (parts_.source->wait_for_change(parts_.times.settle_ns) != io::WatchOutcome::kChanged) {
      return;
    }
  }
}

void Reloader::look_if_different() {
  MutexLock reloading(reloading_);
  auto report = read_and_take(/*only_if_different=*/true);
  if (report) return;
  note_error(report.error());
}

// ---- Reloading ----

Result<ReloadReport> Reloader::reload() {
  MutexLock reloading(reloading_);
  auto report = read_and_take(/*only_if_different=*/false);
  if (!report) note_error(report.error());
  return report;
}

Result<ReloadReport> Reloader::read_and_take(bool only_if_different) {
  if (stopping_) return fail(Code::kShutdown, "reload: the server stops");
  auto read = parts_.source->read();
  const bool is_same = read && has_seen_ && *read == seen_;
  has_seen_ = read.has_value();  // after an error the same text is good news
  if (!read) return fail(read.error());
  std::string text = *std::move(read);
  seen_ = text;
  if (is_same && only_if_different) {
    const ReloadStatus now = status();
    return ReloadReport{now.source, now.generation, {}};
  }
  return take(text);
}

Result<ReloadReport> Reloader::take(const std::string& text) {
  const std::string& name = parts_.source->name();
  config::Checked checked = config::check(text, parts_.source->path());
  if (!checked.problems.empty()) {
    return fail(Code::kInvalidArgument, config::format_problems(checked.problems, name));
  }
  parts_.override_config(checked.config);
  const auto running = parts_.engine->configuration();
  config::Difference difference = config::compare(*running, checked.config, parts_.served);
  if (difference.refusals.empty()) {
    difference.refusals = parts_.engine->reconfigure(checked.config);
    // What servers answer and password files have may be another time what it should be: the same
    // text is looked at again.
    if (!difference.refusals.empty()) has_seen_ = false;
  }
  if (!difference.refusals.empty()) {
    return fail(Code::kInvalidArgument, lines_of(difference.refusals, checked, name));
  }
  parts_.applied(checked.config);
  MutexLock lock(mutex_);
  status_.error.clear();
  status_.error_ns = 0;
  if (!difference.changes.empty()) {
    ++status_.generation;
    status_.loaded_ns = parts_.clock->wall_ns();
    for (const config::Change& change : difference.changes) {
      parts_.logger->info(fmt::format("event=config_changed generation={} key={} change=\"{}\"",
                                      status_.generation, change.key, change.text));
    }
  }
  return ReloadReport{status_.source, status_.generation, std::move(difference.changes)};
}

void Reloader::note_error(const Error& error) {
  if (error.code() == Code::kShutdown) return;
  MutexLock lock(mutex_);
  const bool is_new = status_.error != error.message();
  status_.error = error.message();
  status_.error_ns = parts_.clock->wall_ns();
  if (!is_new) return;
  std::string line = status_.error;  // all reasons, in the one line that an event has
  for (std::size_t at = 0; (at = line.find('\n', at)) != std::string::npos;) {
    line.replace(at, 1, "; ");
  }
  parts_.logger->error(fmt::format("event=config_refused source={} kept={} reason=\"{}\"",
                                   status_.source, status_.generation, line));
}

ReloadStatus Reloader::status() const {
  MutexLock lock(mutex_);
  return status_;
}

}  // namespace tlog::session
