#include "tlog/session/served_vdisk.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::session {
namespace {

constexpr std::uint64_t kTickNs = 20'000'000;
// Of the time there is for closing, this part is kept for the log's end: what stores have missed,
// and the metadata, are not to be lost because something else was slow.
constexpr std::uint64_t kLogEndShare = 4;
constexpr std::uint64_t kLookAtLackingNs = 100'000'000;
// How long a wait for the standby may last before it is looked whether it is still wanted.
constexpr std::uint64_t kWaitSliceNs = 250'000'000;

}  // namespace

ServedVdisk::ServedVdisk(Parts parts)
    : core_(std::move(parts.core)),
      journal_(core_.journal->superblock().journal),
      log_(std::move(parts.log)),
      data_path_(core_),
      committer_(
          *core_.journal, core_.loop, core_.durable,
          {.on_commit = [this] { on_commit(); },
           .on_failure = [this](const Error& error) { core_.fail_for_good(error.message()); }}),
      applying_(core_),
      releasing_(core_),
      apply_strand_(core_.workers, [this] { return applying_.step(); }),
      release_strand_(core_.workers, [this] { return releasing_.step(); }),
      lag_watch_(core_) {
  log_->attach(core_, {.on_stored = [this](Sequence sequence) { on_stored(sequence); },
                       .on_fenced = [this](const std::string& by) { on_fenced(by); }});
  const LogAccess* access = log_->access();
  if (access != nullptr && !core_.config.storage_cluster.empty()) {
    refilling_ = std::make_unique<Refilling>(core_, access->stores, *parts.sealer, *access->log);
  }
  core_.request_commit = [this] { committer_.request(); };
  core_.seal_here = [this] { log_->work_here(); };
  core_.log_waits_for = [this] { return log_->waits_for(); };
  core_.wait_durable = [this](Sequence sequence) { return committer_.wait(sequence); };
  core_.work_changed = [this]() NO_THREAD_SAFETY_ANALYSIS { work_changed(); };
  data_path_.arm_tick = [this] { core_.loop.post([this] { arm_tick(); }); };
  // Whichever of them it was: one that has nothing to do finds that out at once.
  applying_.retry_later = [this](std::uint64_t after_ns) {
    core_.loop.post([this, after_ns] {
      if (timers_ended_) return;
      core_.loop.cancel_timer(retry_timer_);
      retry_timer_ = core_.loop.add_timer(after_ns, [this] {
        apply_strand_.schedule();
        release_strand_.schedule();
      });
    });
  };
  releasing_.retry_later = applying_.retry_later;
  adopt(std::move(parts.recovered), log_->end());
  if (!parts.make_standby || access == nullptr) return;
  StandbyParts standby = std::move(parts.standby);
  standby.core = &core_;
  standby.log_stores = access->stores;
  standby.sealer = parts.sealer;
  standby.log = access->log;
  standby.log_again = [this](std::uint64_t offset, std::uint64_t length) {
    return data_path_.log_again(offset, length);
  };
  standby_ = parts.make_standby(std::move(standby));
  core_.await_storage = [this](const blocks::BlockStorage* failed, std::uint64_t deadline_ns) {
    return standby_->await_storage(failed, deadline_ns);
  };
}

ServedVdisk::~ServedVdisk() = default;

// What the journal had becomes the record table and the overlay; the log's head says what need not
// be sealed again. Everything from the tail on is applied again: in order, so that it ends with the
// newest bytes.
void ServedVdisk::adopt(journal::Recovered recovered, const LogEnd& log_end) {
  MutexLock lock(core_.mutex());
  core_.table_first = recovered.first_sequence;
  for (const journal::Entry& entry : recovered.entries) {
    core_.table.push_back(entry);
    Overlay::Kind kind = overlay_kind(entry.operation);
    if (kind == Overlay::Kind::kNone) continue;
    core_.overlay.insert(entry.offset, entry.size, kind, entry.data_position(),
                         core_.table_end() - 1);
  }
  const Sequence last = core_.table_end() - 1;
  core_.last_timestamp = std::max(recovered.last_timestamp, log_end.timestamp);
  core_.next_apply = core_.table_first;
  core_.next_seal = log_end.sequence + 1;
  core_.unsealed_since_ns = core_.clock.monotonic_ns();
  core_.appended.store(last);
  core_.durable.advance(last);
  core_.stored.advance(log_end.sequence);
  core_.received.set(log_end.sequence);
  core_.applied.advance(core_.table_first - 1);
}

void ServedVdisk::start() {
  log_->start();
  core_.loop.post([this] { on_commit(); });
  data_path_.arm_tick();
  if (refilling_) refilling_->start();
  if (standby_) standby_->start();
  lag_watch_.start();
}

void ServedVdisk::work_changed() {
  log_->work_changed();
  if (applying_.due()) apply_strand_.schedule();
  if (releasing_.due()) release_strand_.schedule();
}

void ServedVdisk::on_commit() {
  {
    MutexLock lock(core_.mutex());
    if (core_.waiting_for_room != 0) core_.room.notify_all();
    work_changed();
  }
  arm_flush_timer();
}

void ServedVdisk::on_stored(Sequence sequence) {
  core_.stored.advance(sequence);
  if (standby_) standby_->on_stored();
  MutexLock lock(core_.mutex());
  if (core_.waiting_for_room != 0) core_.room.notify_all();
  work_changed();
}

// What this host has acknowledged and not stored is not part of the vdisk any more.
void ServedVdisk::on_fenced(const std::string& by) {
  is_fenced_ = true;
  core_.fail_for_good(
      fmt::format("another host has taken the vdisk over ({}); serve it there, or "
                  "take it back with `tlogctl takeover {}`",
                  by, core_.config.name));
}

// Whatever is durable and not sealed goes to the stores within flushTime.
void ServedVdisk::arm_flush_timer() {
  if (core_.stored.value() >= core_.appended.load() &&
      core_.applied.value() >= core_.appended.load())
    return;
  start_flush_timer();
}

void ServedVdisk::start_flush_timer() {
  if (flush_timer_armed_.exchange(true)) return;
  core_.loop.post([this] {
    if (timers_ended_) return;
    flush_timer_ =
        core_.loop.add_timer(core_.settings.gather_time_ns(), [this] { flush_timer_fired(); });
  });
}

void ServedVdisk::flush_timer_fired() {
  flush_timer_ = 0;
  flush_timer_armed_.store(false);
  const Sequence appended = core_.appended.load();
  const bool quiet = appended == appended_at_last_fire_;
  appended_at_last_fire_ = appended;
  if (quiet) releasing_.want_all();
  bool released = false;
  {
    MutexLock lock(core_.mutex());
    core_.forced = std::max(core_.forced, core_.durable.value());
    work_changed();
    released = core_.table.empty();
  }
  if (!released || !quiet) start_flush_timer();
}

void ServedVdisk::reconfigure(const ServedSettings& settings) {
  const std::uint64_t time_before = core_.settings.gather_time_ns();
  core_.settings.take(settings.tlog, settings.slave);
  lag_watch_.settings_changed();
  log_->reconfigure(settings);
  if (standby_) {
    standby_->reconfigure(settings.standby);
  } else if (!settings.block_servers.empty()) {
    core_.storage()->move_to(settings.block_servers);
  }
  {
    MutexLock lock(core_.mutex());
    work_changed();
  }
  if (core_.settings.gather_time_ns() == time_before) return;
  core_.loop.post([this] {
    if (timers_ended_ || flush_timer_ == 0) return;  // the next one has the new time
    core_.loop.cancel_timer(flush_timer_);
    flush_timer_ =
        core_.loop.add_timer(core_.settings.gather_time_ns(), [this] { flush_timer_fired(); });
  });
}

std::vector<Status> ServedVdisk::check_block_servers(
    const std::vector<store::RespStoreOptions>& servers) {
  return core_.storage()->check_servers(servers);
}

void ServedVdisk::arm_tick() {
  if (timers_ended_ || tick_timer_ != 0) return;
  tick_timer_ = core_.loop.add_timer(kTickNs, [this] {
    tick_timer_ = 0;
    if (data_path_.tick()) arm_tick();
  });
}

void ServedVdisk::end_timers() {
  io::run_on(core_.loop, [this] {
    timers_ended_ = true;
    for (io::TimerId* timer : {&tick_timer_, &flush_timer_, &retry_timer_}) {
      core_.loop.cancel_timer(*timer);
      *timer = 0;
    }
  });
}

// True when everything appended is durable, stored and applied.
bool ServedVdisk::drain(std::uint64_t deadline_ns) {
  auto left = [&] {
    std::uint64_t now = core_.clock.monotonic_ns();
    return deadline_ns > now ? deadline_ns - now : 0;
  };
  const Sequence last = core_.appended.load();
  auto reached = [&](Watermark& mark) {
    return mark.wait(last, left()) == Watermark::Outcome::kReached;
  };
  core_.request_commit();
  if (!reached(core_.durable)) return false;
  {
    MutexLock lock(core_.mutex());
    core_.forced = last;
    core_.draining = true;
    work_changed();
  }
  const bool stored = reached(core_.stored);
  while (core_.applied.wait(last, std::min(left(), kLookAtLackingNs)) !=
         Watermark::Outcome::kReached) {
    // What a server lacks is not refilled any more: what cannot be applied stays in the journal.
    if (left() == 0 || !core_.storage()->lacking().empty()) return false;
  }
  MutexLock lock(core_.mutex());
  if (core_.next_apply <= last) return false;  // set back by a failover
  return stored;
}

bool ServedVdisk::close(std::uint64_t budget_ns) {
  if (closed_) return drained_;
  closed_ = true;
  const std::uint64_t deadline_ns = core_.clock.monotonic_ns() + budget_ns;
  bool failed = false;
  {
    MutexLock lock(core_.mutex());
    failed = core_.state == State::kFailed;
    if (!failed) core_.state = State::kStopped;
    core_.room.notify_all();
  }
  log_->stop_background();
  lag_watch_.stop();
  if (standby_) standby_->ask_to_stop();
  if (refilling_) refilling_->ask_to_stop();  // what it has come to counts at the next opening
  bool drained = !failed && drain(deadline_ns - budget_ns / kLogEndShare);
  end_timers();
  // The log's end waits for no block storage: a server of it may answer late, to all who wait
  // below.
  log_->close(deadline_ns);
  core_.received.poison();
  core_.stored.poison();  // whoever still waits for the stores: not in this life
  if (refilling_) refilling_->stop();
  if (standby_) standby_->stop();
  apply_strand_.stop_and_wait();
  release_strand_.stop_and_wait();
  {
    // A flush of block storage that failed meanwhile is final: the journal must stay as it is.
    MutexLock lock(core_.mutex());
    if (core_.state == State::kFailed) drained = false;
  }
  if (drained) {
    if (Status clean = releasing_.release_clean(); !clean)
      core_.logger.error(clean.error().message());
  }
  log_->close_stores();
  // The last batch's completion, and what it has posted, may still be on their way through the
  // loop.
  bool was_busy = true;
  while (was_busy || committer_.busy()) {
    was_busy = committer_.busy();
    io::run_on(core_.loop, [] {});
    io::run_on(core_.loop, [] {});
  }
  core_.logger.info(
      fmt::format("event=closed vdisk={} clean={} appended={} durable={} stored={} applied={}",
                  name(), drained ? "yes" : "no", core_.appended.load(), core_.durable.value(),
                  core_.stored.value(), core_.applied.value()));
  return drained_ = drained;
}

tl::unexpected<Error> ServedVdisk::no_standby(const char* operation) const {
  return fail(Code::kNotSupported,
              fmt::format("{}: {}: it has no standby; give it one with `slaveStorage: {{cluster: "
                          "NAME}}` and `tlog: {{slaveSync: true}}`",
                          operation, core_.who()));
}

// What was acknowledged before the call may still be in the journal only.
Result<Sequence> ServedVdisk::wait_slave_sync(std::uint64_t timeout_ns) {
  if (!standby_) {
    auto synced = log_->wait_slave_sync(core_.appended.load(), timeout_ns);
    if (synced) return *synced;
    return no_standby("wait for slave sync");
  }
  const std::uint64_t began = core_.clock.monotonic_ns();
  auto left = [&] {
    const std::uint64_t used = core_.clock.monotonic_ns() - began;
    return timeout_ns > used ? timeout_ns - used : 0;
  };
  // Of what is written meanwhile nothing is waited for.
  const Sequence target = core_.appended.load();
  for (;;) {
    const std::uint64_t left_ns = left();
    const auto stored = data_path_.flush_to_stores(std::min(left_ns, kWaitSliceNs));
    if (stored || core_.stored.value() >= target) break;
    if (stored.error().code() != Code::kTimeout || left_ns <= kWaitSliceNs) {
      return fail(stored.error());
    }
    if (waiting_ended_) {
      return fail(Code::kShutdown,
                  fmt::format("wait for slave sync: {}: the vdisk is closing", core_.who()));
    }
  }
  TLOG_TRY(standby_->wait_synced(target, left()));
  return target;
}

Result<Receipt> ServedVdisk::fail_over(const FailoverOptions& options) {
  if (!standby_) return no_standby("failover");
  return standby_->fail_over(options);
}

Status ServedVdisk::resync(const ResyncOptions& options) {
  if (!standby_) return no_standby("resync");
  return standby_->resync(options);
}

VdiskStatus ServedVdisk::status() const {
  VdiskStatus status;
  status.name = core_.config.name;
  status.uuid = core_.uuid;
  status.size = core_.config.size;
  status.epoch = log_->epoch();
  status.is_fenced = is_fenced_;
  status.journal = journal_;
  status.watermarks = {core_.appended.load(), core_.durable.value(), core_.stored.value(),
                       core_.applied.value()};
  {
    MutexLock lock(core_.mutex());
    status.state =
        core_.state == State::kServing && core_.config.read_only ? State::kReadOnly : core_.state;
    status.reason = core_.reason;
    status.journal_bytes_used = core_.journal->head() - core_.journal->tail();
    status.journal_bytes_total = core_.journal->bytes_total();
    status.arena_bytes_used = core_.journal->head() - core_.arena_wanted_from();
    status.overlay_extents = core_.overlay.extents();
  }
  const Counters& counters = core_.counters;
  status.reads = counters.reads;
  status.read_bytes = counters.read_bytes;
  status.writes = counters.writes;
  status.write_bytes = counters.write_bytes;
  status.flushes = counters.flushes;
  status.slowed = counters.slowed;
  status.stalls = counters.stalls;
  log_->add_status(status);
  status.alarms = lag_watch_.alarms();
  if (status.reason.empty()) status.reason = status.log.waiting_for;
  status.block_servers = core_.storage()->parts();
  if (standby_) status.standby = standby_->status();
  if (status.standby && status.standby->standby.empty()) status.standby.reset();
  return status;
}

}  // namespace tlog::session
