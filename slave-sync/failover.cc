#include <fmt/format.h>

#include "slave-sync/keeper.h"
#include "slave-sync/position_text.h"
#include "slave-sync/receipts.h"

// The Keeper's way from one cluster to the other.
namespace tlog::standby {

using session::Receipt;
using session::StandbyState;

namespace {

constexpr std::uint64_t kSliceNs = 50'000'000;
constexpr std::uint64_t kRecordNs = 10'000'000'000;
constexpr auto kParkMost = std::chrono::seconds(30);

}  // namespace

struct Keeper::Going {
  session::FailoverOptions options;
  bool automatic = false;
  std::uint64_t deadline_ns = 0;    // monotonic
  std::uint64_t held_since_ns = 0;  // likewise
  std::shared_ptr<blocks::BlockStorage> from;
  Receipt receipt;
};

Result<Receipt> Keeper::fail_over(const session::FailoverOptions& options) {
  return go_over(options, "asked for", /*automatic=*/false);
}

// Refusals name the reason and what helps.
Status Keeper::check(const session::FailoverOptions& options) const {
  auto refuse = [&](const std::string& why) {
    return fail(Code::kUnavailable, fmt::format("failover: {}: {}", core_.who(), why));
  };
  if (stopping_) return refuse("the vdisk is closing");
  if (!phase_.empty()) return refuse("one is under way already, at " + phase_);
  if (std::string why = why_not_expected(); !why.empty()) return refuse(why);
  if (!following_ || !follower_) return refuse("nothing follows it");
  if (was_complete_ || options.accept_loss) return {};
  return refuse(fmt::format(
      "the standby '{}' has never had everything since the vdisk was opened (it has sequence {} of "
      "{}){}{}; wait for `tlogctl wait-slave-sync {}`, or give up what it lacks with --accept-loss",
      standby_, follower_->position().sequence, core_.appended.load(), reason_.empty() ? "" : ": ",
      reason_, core_.config.name));
}

void Keeper::enter(const char* phase) {
  {
    MutexLock lock(mutex_);
    phase_ = phase;
    changed_.notify_all();
  }
  core_.logger.info(fmt::format("event=failover_step vdisk={} step={}", core_.config.name, phase));
  if (parts_.on_step) parts_.on_step(phase);
}

void Keeper::hold(bool held) {
  MutexLock lock(core_.mutex());
  core_.apply_held = held;
  if (!held) core_.work_changed();
}

Status Keeper::still_wanted(const Going& going) {
  if (stopping_) return fail(Code::kShutdown, "the vdisk is closing");
  if (going.automatic && failing_part(*going.from).empty()) {
    return fail(Code::kUnavailable, "the active cluster is well again");
  }
  return {};
}

Status Keeper::wait_stored(const Going& going) {
  const Sequence target = going.receipt.appended;
  if (!core_.wait_durable(target)) return fail(Code::kIoError, "the journal has failed");
  {
    MutexLock lock(core_.mutex());
    core_.forced = std::max(core_.forced, target);
    core_.work_changed();
  }
  for (;;) {
    const auto outcome = core_.stored.wait(target, kSliceNs);
    if (outcome == Watermark::Outcome::kReached) return {};
    if (outcome == Watermark::Outcome::kPoisoned) return fail(Code::kIoError, "the log has failed");
    TLOG_TRY(still_wanted(going));
    if (core_.clock.monotonic_ns() < going.deadline_ns) continue;
    return fail(
        Code::kTimeout,
        fmt::format("sequence {} is not stored yet (stored: {}){}{}", target, core_.stored.value(),
                    core_.log_waits_for().empty() ? "" : ": ", core_.log_waits_for()));
  }
}

// WaitNbdSlaveSync, its result never ignored.
Status Keeper::wait_for_all(const Going& going) {
  TLOG_TRY(wait_stored(going));
  const std::uint64_t asked = ask();
  for (;;) {
    Status synced = wait_answer(asked, going.receipt.appended, kSliceNs);
    if (synced || synced.error().code() != Code::kTimeout) return synced;
    TLOG_TRY(still_wanted(going));
    if (core_.clock.monotonic_ns() >= going.deadline_ns) return synced;
  }
}

Status Keeper::record(const Going& going, const std::string& cluster, std::uint64_t timeout_ns) {
  return parts_.log->place_blocks({.cluster = cluster,
                                   .switches = ++switches_,
                                   .epoch = parts_.log->epoch(),
                                   .sequence = going.receipt.appended,
                                   .since = core_.clock.wall_ns()},
                                  timeout_ns);
}

// Its thread lets go of the follower, at the end of the step that it is in.
Status Keeper::park(Follower& follower) {
  const auto deadline = std::chrono::steady_clock::now() + kParkMost;
  MutexLock lock(mutex_);
  following_ = false;
  changed_.notify_all();
  while (!parked_) {
    if (changed_.wait_until(mutex_, deadline) || parked_) continue;
    following_ = true;
    return fail(Code::kTimeout,
                fmt::format("the standby '{}' does not end its last step", standby_));
  }
  if (stopping_) return fail(Code::kShutdown, "the vdisk is closing");
  if (!follower.storage()) return fail(Code::kUnavailable, "the standby was never reached");
  return {};
}

void Keeper::unpark() {
  MutexLock lock(mutex_);
  if (following_ || state_ == StandbyState::kOff) return;
  const bool was_complete = was_complete_;
  begin_following(false);
  was_complete_ = was_complete;
}

void Keeper::compare_sides(Going& going, Follower& follower) {
  Receipt& receipt = going.receipt;
  const session::SyncPosition reached = follower.position();
  // What the servers themselves say, not what we remember; of a forced one perhaps nothing.
  auto said = follower.ask_servers();
  receipt.standby = said && *said ? **said : reached;
  if (receipt.standby.sequence < reached.sequence) receipt.standby = reached;
  const auto known = core_.recent_log.with(receipt.standby.sequence);
  if (known && known->last_sequence == receipt.standby.sequence) {
    receipt.log = {.epoch = known->epoch,
                   .sequence = known->last_sequence,
                   .number = known->number,
                   .hash = known->hash};
  } else if (auto read = follower.log_at(receipt.standby.number); read) {
    receipt.log = *read;
  }
}

// What the standby lacks and the journal still has is applied there; the rest is lost.
void Keeper::take_over(Going& going, Follower& follower) {
  const auto storage = follower.storage();
  const Sequence has = follower.position().sequence;
  storage->stop_following(has);
  MutexLock lock(core_.mutex());
  Receipt& receipt = going.receipt;
  receipt.applied = core_.next_apply - 1;
  if (has + 1 < core_.next_apply) {
    const Sequence from = std::max(has + 1, core_.table_first);
    if (has + 1 < from) receipt.lost = core_.unsynced.between(has + 1, from - 1);
    // In their order, so that the newest bytes are on top again.
    for (Sequence s = from; s < core_.table_end(); ++s) {
      const journal::Entry& entry = core_.entry(s);
      const auto kind = session::overlay_kind(entry.operation);
      if (kind == session::Overlay::Kind::kNone) continue;
      core_.overlay.insert(entry.offset, entry.size, kind, entry.data_position(), s);
    }
    core_.next_apply = from;
  }
  core_.replace_storage(storage);
  core_.apply_held = false;
  if (core_.apply_blocked) core_.reason.clear();
  core_.apply_blocked = false;
  core_.apply_retry_ns = 0;
  core_.apply_now = true;
  core_.room.notify_all();
  core_.work_changed();
}

void Keeper::conclude(Going& going) {
  Receipt& receipt = going.receipt;
  receipt.ended = core_.clock.wall_ns();
  receipt.pause_ns = core_.clock.monotonic_ns() - going.held_since_ns;
  if (Status kept = keep_receipt(*parts_.files, parts_.receipts, receipt); !kept) {
    core_.logger.error(fmt::format("event=receipt_not_kept vdisk={} reason=\"{}\"",
                                   core_.config.name, kept.error().message()));
  }
  core_.logger.warning(fmt::format(
      "event=failed_over vdisk={} from={} to={} cause=\"{}\" epoch={} appended={} log=\"{}\" "
      "standby=\"{}\" lost_ranges={} pause_ms={} receipt={} text=\"{}\"",
      core_.config.name, receipt.from, receipt.to, receipt.cause, receipt.epoch, receipt.appended,
      describe(receipt.log), describe(receipt.standby), receipt.lost.size(),
      receipt.pause_ns / 1'000'000, receipt.path, receipt.text()));
  MutexLock lock(mutex_);
  phase_.clear();
  follower_.reset();
  std::swap(active_, standby_);
  last_receipt_ = receipt;
  failing_since_ns_ = 0;
  if (going.options.keep_following) {
    begin_following(false);
  } else {
    state_ = StandbyState::kFailedOver;
    was_complete_ = false;
    reason_.clear();
  }
  changed_.notify_all();
}

Result<Receipt> Keeper::go_over(const session::FailoverOptions& options, const std::string& cause,
                                bool automatic) {
  Going going;
  going.options = options;
  going.automatic = automatic;
  going.from = core_.storage();
  std::shared_ptr<Follower> follower;
  {
    MutexLock lock(mutex_);
    TLOG_TRY(check(options));
    phase_ = "check";
    follower = follower_;
    going.receipt.from = active_;
    going.receipt.to = standby_;
  }
  Receipt& receipt = going.receipt;
  receipt.vdisk = core_.config.name;
  receipt.cause = cause;
  receipt.planned = failing_part(*going.from).empty();
  receipt.began = core_.clock.wall_ns();
  receipt.epoch = parts_.log->epoch();
  going.held_since_ns = core_.clock.monotonic_ns();
  going.deadline_ns = going.held_since_ns + options.timeout_ns;

  Status done;
  auto give_up = [&](const Error& error) {
    hold(false);
    unpark();
    {
      MutexLock lock(mutex_);
      phase_.clear();
      changed_.notify_all();
    }
    return fail(error.within(fmt::format("failover: {}", core_.who())));
  };
  enter("hold");
  hold(true);
  receipt.appended = core_.appended.load();
  enter("wait");
  done = wait_for_all(going);
  if (!done && (!options.accept_loss || stopping_)) return give_up(done.error());
  enter("record");
  done = record(going, receipt.to, kRecordNs);
  if (!done && (!options.accept_loss || stopping_)) {
    // It may still become known: what is said last counts.
    (void)record(going, receipt.from, 0);
    return give_up(done.error());
  }
  if (!done) {
    core_.logger.error(
        fmt::format("event=failover_not_recorded vdisk={} reason=\"{}\" next=\"the next opening "
                    "takes '{}' for the active one, and refills it from the log\"",
                    core_.config.name, done.error().message(), receipt.from));
  }
  enter("switch");
  done = park(*follower);
  if (!done) {
    (void)record(going, receipt.from, 0);
    return give_up(done.error());
  }
  compare_sides(going, *follower);
  take_over(going, *follower);
  enter("receipt");
  conclude(going);
  return receipt;
}

}  // namespace tlog::standby
