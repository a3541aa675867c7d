#include <fmt/format.h>

#include "slave-sync/keeper_going.h"
#include "slave-sync/position_text.h"
#include "slave-sync/receipts.h"

// The Keeper's failover from where it cannot be given up: the switch, and its receipt.
namespace tlog::standby {

using session::Receipt;
using session::StandbyState;

void Keeper::compare_sides(Going& going, Follower& follower) {
  Receipt& receipt = going.receipt;
  const auto known = core_.recent_log.with(receipt.standby.sequence);
  if (known && known->last_sequence == receipt.standby.sequence) {
    receipt.log = session::position_of(*known);
  } else if (receipt.standby.number != 0) {
    if (auto read = follower.log_at(receipt.standby.number)) receipt.log = *read;
  }
}

// Of what the standby lacks the journal still has the newest part, which is applied there; what is
// before that is lost.
void Keeper::go_back_to(Going& going, Sequence has) {
  const Sequence from = std::max(core_.table_first, std::min(has + 1, core_.next_apply));
  if (has + 1 < from) going.receipt.lost = core_.unsynced.between(has + 1, from - 1);
  // In their order, so that the newest bytes are on top again.
  for (Sequence s = from; s < core_.table_end(); ++s) {
    const journal::Entry& entry = core_.entry(s);
    const auto kind = session::overlay_kind(entry.operation);
    if (kind == session::Overlay::Kind::kNone) continue;
    core_.overlay.insert(entry.offset, entry.size, kind, entry.data_position(), s);
  }
  core_.next_apply = from;
}

void Keeper::take_over(Going& going, Follower& follower) {
  const auto storage = follower.storage();
  const Sequence has = follower.position().sequence;
  storage->stop_following(has);
  {
    MutexLock lock(core_.mutex());
    going.receipt.applied = core_.next_apply - 1;
    if (has < going.receipt.appended) go_back_to(going, has);
    core_.writes_held = !going.receipt.lost.empty();
    core_.replace_storage(storage);
    if (core_.apply_blocked) core_.reason.clear();
    core_.apply_blocked = false;
    core_.apply_retry_ns = 0;
    core_.apply_held = false;
    core_.apply_now = true;
    core_.work_changed();
  }
  log_lost_again(going);
  MutexLock lock(core_.mutex());
  core_.writes_held = false;
  core_.room.notify_all();
  core_.work_changed();
}

// The log has what clients do not see any more. Whoever is brought up from it later must show what
// they have seen since: so that is logged, before anything else is.
void Keeper::log_lost_again(const Going& going) {
  Status logged;
  for (const session::LostRange& lost : going.receipt.lost) {
    for (const auto& [offset, length] : lost.bytes) {
      // What has no room for one range has none for the next: clients' writes wait meanwhile.
      if (logged) logged = parts_.log_again(offset, length);
      if (logged) continue;
      core_.logger.error(fmt::format(
          "event=lost_not_logged vdisk={} offset={} length={} reason=\"{}\" remedy=\"write the "
          "range anew: a resync would bring the lost bytes back\"",
          core_.config.name, offset, length, logged.error().message()));
    }
  }
  if (!going.receipt.lost.empty()) (void)core_.wait_durable(core_.appended.load());
}

void Keeper::conclude(Going& going) {
  Receipt& receipt = going.receipt;
  receipt.ended = core_.clock.wall_ns();
  receipt.pause_ns = core_.clock.monotonic_ns() - going.held_since_ns;
  if (Status kept = keep_receipt(*parts_.files, parts_.receipts, receipt); !kept) {
    core_.logger.error(fmt::format("event=receipt_not_kept vdisk={} reason=\"{}\"",
                                   core_.config.name, kept.error().message()));
  }
  if (parts_.on_step) parts_.on_step("done");
  core_.logger.warning(fmt::format(
      "event=failed_over vdisk={} from={} to={} cause=\"{}\" epoch={} appended={} log=\"{}\" "
      "standby=\"{}\" lost_ranges={} pause_ms={} receipt={} text=\"{}\"",
      core_.config.name, receipt.from, receipt.to, receipt.cause, receipt.epoch, receipt.appended,
      describe(receipt.log), describe(receipt.standby), receipt.lost.size(),
      receipt.pause_ns / 1'000'000, receipt.path, receipt.text()));
  {
    MutexLock lock(core_.mutex());
    core_.keeps_unsynced = false;  // until something follows again
  }
  MutexLock lock(mutex_);
  follower_.reset();
  core_.synced = 0;
  core_.oldest_unsynced = 0;
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
  end_phase();
}

}  // namespace tlog::standby
