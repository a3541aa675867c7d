#include <fmt/format.h>

#include "slave-sync/keeper_going.h"

// The Keeper's way from one cluster to the other, as far as it can be given up.
namespace tlog::standby {

using session::Receipt;
using session::StandbyState;

namespace {

constexpr std::uint64_t kSliceNs = 50'000'000;
constexpr std::uint64_t kRecordNs = 10'000'000'000;
constexpr auto kParkMost = std::chrono::seconds(30);

}  // namespace

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
  {
    MutexLock lock(core_.mutex());
    if (core_.state != session::State::kServing) return refuse("it is not served any more");
  }
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
  if (!going.automatic) return {};
  // Its own thread is the watch's: nobody else looks meanwhile.
  note_lag();
  going.from->look_at_parts();
  if (!failing_part(*going.from).empty()) return {};
  return fail(Code::kUnavailable, "the active cluster is well again");
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
  if (!following_ || follower_.get() != &follower) {
    return fail(Code::kUnavailable, "the standby is another one now");
  }
  stop_following();
  while (!parked_) {
    if (changed_.wait_until(mutex_, deadline) || parked_) continue;
    return fail(Code::kTimeout,
                fmt::format("the standby '{}' does not end its last step", standby_));
  }
  if (stopping_) return fail(Code::kShutdown, "the vdisk is closing");
  return {};
}

// What the servers say, not what is remembered: one may have been emptied since it was waited for.
Status Keeper::check_standby(Going& going, Follower& follower) {
  TLOG_ASSIGN(const Follower::Said said, follower.ask_servers());
  going.receipt.standby = said.position.value_or(follower.position());
  const Sequence have = said.all_have;
  const Sequence has = std::min(have, follower.position().sequence);
  if (has >= going.receipt.appended) return {};
  if (!going.options.accept_loss) {
    return fail(Code::kUnavailable,
                fmt::format("the standby has lost what it had: it is at sequence {}, {} was "
                            "reached",
                            has, going.receipt.appended));
  }
  if (have < follower.position().sequence) {
    return fail(Code::kUnavailable,
                fmt::format("the standby is being brought up again: it is at sequence {}, and had "
                            "{}",
                            have, follower.position().sequence));
  }
  if (has == 0) return fail(Code::kUnavailable, "the standby has nothing yet");
  return {};
}

// Before anything has changed for clients.
void Keeper::give_up(const Going& going) {
  hold(false);
  MutexLock lock(mutex_);
  if (going.is_parked && state_ != StandbyState::kOff && state_ != StandbyState::kDiverged) {
    const bool was_complete = was_complete_;
    begin_following(false);
    was_complete_ = was_complete;
  }
  end_phase();
}

// Up to where it cannot be given up any more.
Status Keeper::prepare(Going& going, Follower& follower) {
  Receipt& receipt = going.receipt;
  enter("hold");
  hold(true);
  receipt.appended = core_.appended.load();
  enter("wait");
  Status done = wait_for_all(going);
  const bool may_lack = going.options.accept_loss && !done && done.error().code() == Code::kTimeout;
  if (!done && !may_lack) return done;
  enter("record");
  done = record(going, receipt.to, kRecordNs);
  if (done || going.options.accept_loss) {
    if (!done) {
      core_.logger.error(fmt::format(
          "event=failover_not_recorded vdisk={} reason=\"{}\" next=\"unless it becomes known "
          "later, the next opening takes '{}' for the active one, and refills it from the log\"",
          core_.config.name, done.error().message(), receipt.from));
    }
    enter("switch");
    done = park(follower);
    going.is_parked = true;
    if (done) done = check_standby(going, follower);
    if (done && receipt.appended > follower.position().sequence)
      done = check_known(going, follower);
    if (done) return {};
  }
  // It may still become known: what is said last counts.
  (void)record(going, receipt.from, 0);
  return done;
}

// Bytes that are left behind must be known, to log what clients will see there instead.
Status Keeper::check_known(const Going& going, Follower& follower) {
  MutexLock lock(core_.mutex());
  while (core_.releasing) core_.room.wait(core_.mutex());  // none begins while applying is held
  const Sequence has = follower.position().sequence;
  if (has + 1 >= core_.table_first) return {};
  for (const session::LostRange& lost : core_.unsynced.between(has + 1, core_.table_first - 1)) {
    if (lost.bytes_known) continue;
    return fail(Code::kUnavailable,
                fmt::format("the standby lacks the sequences {} to {}, and which bytes they have "
                            "changed is not known since the vdisk was opened; bring the log's "
                            "stores back, or restore with `tlogplay restore {} --to vdisk:NEW`",
                            lost.first_sequence, lost.last_sequence, going.receipt.vdisk));
  }
  return {};
}

Result<Receipt> Keeper::go_over(const session::FailoverOptions& options, const std::string& cause,
                                bool automatic) {
  Going going;
  going.options = options;
  going.automatic = automatic;
  std::shared_ptr<Follower> follower;
  {
    MutexLock lock(mutex_);
    TLOG_TRY(check(options));
    phase_ = "check";
    follower = follower_;
    going.from = core_.storage();
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

  const Status ready = prepare(going, *follower);
  if (!ready) {
    give_up(going);
    return fail(ready.error().within(fmt::format("failover: {}", core_.who())));
  }
  take_over(going, *follower);
  going.from->give_up();  // what still waits for its servers goes to the new one at once
  compare_sides(going, *follower);
  enter("receipt");
  conclude(going);
  return receipt;
}

}  // namespace tlog::standby
