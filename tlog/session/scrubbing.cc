#include "tlog/session/scrubbing.h"

#include <fmt/format.h>

namespace tlog::session {
namespace {

constexpr std::uint64_t kLookEveryNs = 500'000'000;
// What is scrubbed between two savings is scrubbed again after a crash.
constexpr std::uint64_t kSaveEveryNs = 5'000'000'000;

// Progress may wait to be saved; a beginning and an end may not.
bool is_a_step(const flush::ScrubPass& before, const flush::ScrubPass& after) {
  return before.since != after.since || before.began != after.began ||
         before.finished != after.finished;
}

ScrubSchedule::Kind kind_of(const flush::ScrubPass& pass, const flush::ScrubStatus& status) {
  return {.running = status.running,
          .began = pass.began,
          .done = pass.done,
          .last = pass.began == 0 ? 0 : status.last,
          .found = pass.found,
          .next = 0,
          .finished = pass.finished,
          .result = pass.last};
}

}  // namespace

Scrubbing::Parts Scrubbing::parts_of(Core& core, flush::LogWriter& log, io::FileSystem& files,
                                     const std::string& path) {
  return {.log = &log,
          .files = &files,
          .path = path,
          .name = core.config.name,
          .vdisk = core.uuid,
          .loop = &core.loop,
          .workers = &core.workers,
          .clock = &core.clock,
          .logger = &core.logger,
          .wishes =
              [&settings = core.settings] {
                return Wishes{.every = {.light_ns = settings.scrub_every_ns,
                                        .deep_ns = settings.scrub_deep_every_ns},
                              .bytes_per_second = settings.scrub_rate};
              },
          .failed =
              [&core] {
                MutexLock lock(core.mutex());
                return core.state == State::kFailed;
              }};
}

Scrubbing::Scrubbing(Parts parts)
    : parts_(std::move(parts)),
      strand_(*parts_.workers,
              [this] {
                step();
                return false;
              }),
      plan_({}, parts_.vdisk, parts_.clock->wall_ns()) {
  if (!parts_.path.empty()) file_.emplace(*parts_.files, parts_.path, parts_.vdisk);
}

void Scrubbing::start() {
  strand_.schedule();
  parts_.loop->post([this] { arm(); });
}

void Scrubbing::arm() {
  if (timer_ended_) return;
  timer_ = parts_.loop->add_timer(kLookEveryNs, [this] {
    strand_.schedule();
    arm();
  });
}

void Scrubbing::stop() {
  io::run_on(*parts_.loop, [this] {
    timer_ended_ = true;
    parts_.loop->cancel_timer(timer_);
  });
  strand_.stop_and_wait();
  if (!loaded_) return;
  interrupt();
  save(true);
}

// Not at the opening, which it would hold up.
void Scrubbing::load() {
  loaded_ = true;
  if (file_) {
    load_file();
  } else if (parts_.kept) {
    saved_ = *parts_.kept;
  }
  MutexLock lock(mutex_);
  plan_ = ScrubPlan(saved_, parts_.vdisk, parts_.clock->wall_ns());
}

void Scrubbing::load_file() {
  saved_ = file_->load();
  if (file_->trouble().empty()) return;
  parts_.logger->warning(fmt::format(
      "event=scrub_file_unusable vdisk={} reason=\"{}\" action=\"the times and the progress of "
      "background scrubs begin anew\"",
      parts_.name, file_->trouble()));
}

void Scrubbing::step() {
  if (!loaded_) load();
  const flush::LogWriterStatus log = parts_.log->status();
  const Wishes wishes = parts_.wishes();
  std::optional<ScrubPlan::Run> run = wanted(log, wishes);
  const bool is_running = log.light_scrub.running || log.deep_scrub.running;
  const bool is_right = run && (run->deep ? log.deep_scrub : log.light_scrub).running &&
                        rate_ == wishes.bytes_per_second;
  if (is_running && !is_right) {
    interrupt();
    run = wanted(parts_.log->status(), wishes);  // it may have come further
  }
  if (run && !is_right) begin(*run, wishes.bytes_per_second);
  save(false);
}

void Scrubbing::look(const flush::LogWriterStatus& log) {
  const TimestampNs now = parts_.clock->wall_ns();
  plan_.came_to(false, log.light_scrub, now);
  plan_.came_to(true, log.deep_scrub, now);
  light_ = log.light_scrub;
  deep_ = log.deep_scrub;
}

// What is due, unless something else goes first.
std::optional<ScrubPlan::Run> Scrubbing::wanted(const flush::LogWriterStatus& log,
                                                const Wishes& wishes) {
  const bool failed = !log.fenced.empty() || parts_.failed();
  MutexLock lock(mutex_);
  look(log);
  waiting_.clear();
  stopped_ = failed;
  if (failed) {
    waiting_ = "none any more, the vdisk has failed";
    return std::nullopt;
  }
  std::optional<ScrubPlan::Run> run = plan_.due(wishes.every, parts_.clock->wall_ns());
  if (!run || !log.scrub.running) return run;
  waiting_ = "wait for the one that somebody has asked for";
  return std::nullopt;
}

void Scrubbing::interrupt() {
  parts_.log->end_background_scrub();
  const flush::LogWriterStatus log = parts_.log->status();
  MutexLock lock(mutex_);
  look(log);
}

void Scrubbing::begin(const ScrubPlan::Run& run, std::uint64_t bytes_per_second) {
  const Status begun = parts_.log->scrub({.deep = run.deep,
                                          .repair = true,
                                          .background = true,
                                          .first = run.first,
                                          .continues = run.continues,
                                          .bytes_per_second = bytes_per_second});
  if (!begun) return;  // somebody was quicker, or it is being closed: the next step sees
  rate_ = bytes_per_second;
  const flush::LogWriterStatus log = parts_.log->status();
  MutexLock lock(mutex_);
  plan_.begun(run.deep, parts_.clock->wall_ns());
  look(log);
}

void Scrubbing::save(bool now) {
  flush::ScrubRecord record;
  {
    MutexLock lock(mutex_);
    record = plan_.to_keep();
  }
  if (record == saved_) return;
  if (!file_) {
    saved_ = record;
    if (parts_.kept) *parts_.kept = record;
    return;
  }
  const std::uint64_t now_ns = parts_.clock->monotonic_ns();
  const bool is_due = is_a_step(saved_.light, record.light) ||
                      is_a_step(saved_.deep, record.deep) || now_ns >= save_after_ns_;
  if (!now && (!is_due || (!told_.empty() && now_ns < save_after_ns_))) return;
  save_after_ns_ = now_ns + kSaveEveryNs;
  const Status saved = file_->save(record);
  if (saved) {
    saved_ = record;
    told_.clear();
    return;
  }
  if (saved.error().message() == told_) return;
  told_ = saved.error().message();
  parts_.logger->warning(fmt::format(
      "event=scrub_progress_not_saved vdisk={} reason=\"{}\" next=\"tried again; until then a "
      "restart begins where it was saved last\"",
      parts_.name, told_));
}

ScrubSchedule Scrubbing::status() const {
  const Wishes wishes = parts_.wishes();
  MutexLock lock(mutex_);
  ScrubSchedule schedule{.light = kind_of(plan_.pass(false), light_),
                         .deep = kind_of(plan_.pass(true), deep_),
                         .waiting = waiting_};
  if (stopped_) return schedule;
  schedule.light.next = plan_.next_at(false, wishes.every);
  schedule.deep.next = plan_.next_at(true, wishes.every);
  return schedule;
}

}  // namespace tlog::session
