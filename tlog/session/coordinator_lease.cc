// The lease's thread: campaigns, keeps alive, gives back.
#include <fmt/format.h>

#include <algorithm>

#include "tlog/session/coordinator.h"

namespace tlog::session {
namespace {

constexpr std::uint64_t kPauseNs = 200'000'000;         // after a failure, doubling
constexpr std::uint64_t kBeginPauseNs = 1'000'000'000;  // likewise, of a beginning
constexpr std::uint64_t kRequestNsMin = 300'000'000;
constexpr std::uint64_t kRequestNsMax = 5'000'000'000;
// Asked for so often in the time that the lease lasts.
constexpr std::uint64_t kAsksPerTtl = 3;

std::uint64_t doubled(std::uint64_t pause_ns, std::uint64_t first_ns, std::uint64_t last_ns) {
  return pause_ns == 0 ? first_ns : std::min(pause_ns * 2, std::max(first_ns, last_ns));
}

}  // namespace

// Whoever waits looks again.
template <class Change>
void Coordinator::share(Change change) {
  MutexLock lock(mutex_);
  change(shared_);
  changed_.notify_all();
}

void Coordinator::rest(std::uint64_t time_ns) {
  MutexLock lock(mutex_);
  if (is_ending()) return;
  changed_.wait_until(mutex_, steady_now() + std::chrono::nanoseconds(time_ns));
}

// At the beginning, and when the configuration has changed.
void Coordinator::connect() {
  MutexLock lock(mutex_);
  if (!is_reconfigured_) return;
  is_reconfigured_ = false;
  const config::Coordination settings = settings_;
  const etcd::Access access{.endpoints = settings.etcd,
                            .ca_file = settings.ca_file,
                            .user = settings.user,
                            .password = password_};
  const std::uint64_t share_ns = settings.lease_ttl_ns / (kAsksPerTtl * settings.etcd.size());
  auto make = [&] {
    return std::make_unique<etcd::Election>(
        access, fmt::format("{}/writers/{}", settings.prefix, parts_.vdisk),
        fmt::format("{}/ended/{}", settings.prefix, parts_.vdisk),
        std::clamp(share_ns, kRequestNsMin, kRequestNsMax));
  };
  asking_ = make();
  watching_ = make();
  if (is_ending()) watching_->wake();
}

void Coordinator::run_lease() {
  while (!is_ending()) {
    connect();
    const LocalVdisk local = parts_.look();
    share([&](Shared& shared) { shared.is_open = local.is_open; });
    if (local.has_failed) fence_or_fail(local);
    if (turn_.is_held) {
      keep();
      continue;
    }
    if (beginnings_stop_) {  // what was lost now is of no use any more
      rest(parts_.times.look_ns);
      continue;
    }
    if (Status done = contend(); !done) {
      note_trouble(done.error());
      rest(turn_.pause_ns);
    }
  }
}

void Coordinator::note_trouble(const Error& error) {
  if (error.code() == Code::kShutdown) return;
  turn_.pause_ns = doubled(turn_.pause_ns, kPauseNs, ttl_ns() / kAsksPerTtl);
  bool is_news = false;
  share([&](Shared& shared) {
    is_news = shared.trouble.empty();
    shared.has_looked = true;
    shared.trouble = error.message();
    if (!shared.is_held) shared.holder.clear();  // perhaps not any more
  });
  if (!is_news) return;
  parts_.logger->warning(
      fmt::format("event=coordination_away vdisk={} reason=\"{}\"", parts_.vdisk, error.message()));
}

void Coordinator::note_contact() {
  turn_.pause_ns = 0;
  bool is_news = false;
  share([&](Shared& shared) {
    is_news = !shared.trouble.empty();
    shared.has_looked = true;
    shared.trouble.clear();
  });
  if (is_news) parts_.logger->info(fmt::format("event=coordination_back vdisk={}", parts_.vdisk));
}

// ---- Without the lease ----

Status Coordinator::contend() {
  TLOG_ASSIGN(const etcd::Seen seen, asking_->look());
  note_contact();
  const bool is_ours = seen.holder && turn_.lease.id != 0 && seen.holder->lease == turn_.lease.id;
  std::uint64_t instead_of = 0;
  const LocalVdisk local = parts_.look();
  if (is_ours) {  // an answer was lost on its way
    turn_.kept_ns = parts_.clock->monotonic_ns();
    take_turn();
    return {};
  }
  if (seen.holder) {
    auto other = etcd::decode_writer(seen.holder->value);
    if (!other) other = etcd::WriterRecord{"?", "", "", 0, 0};
    // What this process has locked, no other one writes: that was its own earlier life.
    const bool is_earlier_life = !local.journal.is_nil() && other->journal == local.journal.text();
    if (!is_earlier_life) return stand_by(seen, *other);
    instead_of = seen.holder->revision;
  }
  share([&](Shared& shared) { shared.holder.clear(); });
  const std::uint64_t now_ns = parts_.clock->monotonic_ns();
  const bool has_to_wait =
      turn_.has_failed || turn_.has_yielded || now_ns < turn_.begin_not_before_ns;
  if (!local.is_open && has_to_wait) {
    const std::uint64_t left_ns =
        now_ns < turn_.begin_not_before_ns ? turn_.begin_not_before_ns - now_ns : ttl_ns();
    auto changed = watching_->wait_for_change(seen.revision, std::min(left_ns, ttl_ns() / 2));
    return changed ? Status() : Status(fail(changed.error()));
  }
  return win(instead_of, local.journal);
}

// Until something changes, or the lease's end has to be looked at again.
Status Coordinator::stand_by(const etcd::Seen& seen, const etcd::WriterRecord& other) {
  const LocalVdisk local = parts_.look();
  if (!local.is_open) parts_.let_go();
  turn_.was_superseded = turn_.was_superseded || local.is_open;
  turn_.has_yielded = false;
  TLOG_ASSIGN(const std::uint64_t left_ns, asking_->time_left(seen.holder->lease));
  bool is_news = false;
  share([&](Shared& shared) {
    is_news = shared.holder != other.host;
    shared.holder = other.host;
    shared.ends_ns = parts_.clock->monotonic_ns() + left_ns;
    if (!local.is_open && !shared.is_beginning) shared.is_ready = false;
  });
  if (is_news) {
    parts_.logger->warning(
        fmt::format("event=standby vdisk={} served_by={} epoch={}{}", parts_.vdisk, other.host,
                    other.epoch, local.is_open ? " next=\"goes on until it is fenced\"" : ""));
  }
  // A vdisk that is open here is to be seen being fenced.
  const std::uint64_t wait_ns = local.is_open ? parts_.times.look_ns : ttl_ns() / 2;
  auto changed = watching_->wait_for_change(seen.revision, wait_ns);
  return changed ? Status() : Status(fail(changed.error()));
}

Status Coordinator::win(std::uint64_t instead_of, const Uuid& journal) {
  const std::uint64_t now_ns = parts_.clock->monotonic_ns();
  if (turn_.lease.id == 0) {
    TLOG_ASSIGN(turn_.lease, asking_->grant(ttl_ns()));
    turn_.kept_ns = now_ns;
  }
  turn_.since = parts_.clock->wall_ns();
  turn_.declared = {.host = parts_.host,
                    .control = parts_.control,
                    .journal = journal.is_nil() ? std::string() : journal.text(),
                    .epoch = 0,
                    .since = turn_.since};
  auto won = asking_->campaign(turn_.lease.id, etcd::encode_writer(turn_.declared), instead_of);
  if (won && *won) {
    take_turn();
    return {};
  }
  // Refused: the lease has ended. Not answered: perhaps won, which the next look shows.
  const bool is_lost = won.has_value() || won.error().code() == Code::kInvalidArgument;
  if (won) (void)asking_->revoke(turn_.lease.id);  // it ends by itself too
  if (is_lost) turn_.lease = {};
  return won ? Status() : Status(fail(won.error()));
}

void Coordinator::take_turn() {
  turn_.is_held = true;
  turn_.was_superseded = false;
  turn_.keep_next_ns = 0;
  auto words = asking_->last_words();
  Epoch ended_epoch = 0;
  if (words) {
    if (auto ended = etcd::decode_writer(*words)) ended_epoch = ended->epoch;
  }
  share([&](Shared& shared) {
    shared.is_held = true;
    shared.is_overdue = false;
    shared.holder.clear();
    shared.ends_ns = turn_.kept_ns + turn_.lease.ttl_ns;
    shared.takeover = {.automatic = true, .ended_epoch = ended_epoch};
    shared.begin_wanted = !shared.is_ready && !shared.is_beginning;
    if (shared.begin_wanted) shared.refusal.clear();
  });
  parts_.logger->info(fmt::format("event=lease_held vdisk={} ttl_s={}", parts_.vdisk,
                                  turn_.lease.ttl_ns / 1'000'000'000));
}

// ---- With the lease ----

void Coordinator::keep() {
  const LocalVdisk local = parts_.look();
  bool is_refused = false;
  {
    MutexLock lock(mutex_);
    is_refused = !shared_.begin_wanted && !shared_.is_beginning && !shared_.is_ready;
  }
  if (is_refused) {
    // Others may be luckier, above all the host that has the newest journal.
    turn_.begin_pause_ns = doubled(turn_.begin_pause_ns, kBeginPauseNs, ttl_ns());
    turn_.begin_not_before_ns = parts_.clock->monotonic_ns() + turn_.begin_pause_ns;
    give_back();
    return;
  }
  if (local.is_open) turn_.begin_pause_ns = 0;
  const std::uint64_t now_ns = parts_.clock->monotonic_ns();
  if (now_ns >= turn_.keep_next_ns) keep_alive(now_ns);
  if (!turn_.is_held) return;
  declare(local);
  rest(std::min(parts_.times.look_ns, ttl_ns() / kAsksPerTtl));
}

void Coordinator::keep_alive(std::uint64_t now_ns) {
  auto left = asking_->keep_alive(turn_.lease.id);
  if (left && *left == 0) return lose("etcd has ended it");
  auto seen = left ? asking_->look() : Result<etcd::Seen>(fail(left.error()));
  if (!seen) {
    note_trouble(seen.error());
    turn_.keep_next_ns = now_ns + turn_.pause_ns;
    if (now_ns - turn_.kept_ns < turn_.lease.ttl_ns) return;
    const bool is_open = parts_.look().is_open;
    bool is_news = false;
    share([&](Shared& shared) {
      is_news = !shared.is_overdue;
      shared.is_overdue = true;
      shared.is_open = is_open;
      if (!is_open && !shared.is_beginning) shared.is_ready = false;
    });
    if (is_news) {
      parts_.logger->warning(fmt::format(
          "event=lease_overdue vdisk={} reason=\"{}\" next=\"goes on, until another host takes "
          "over\"",
          parts_.vdisk, seen.error().message()));
    }
    return;
  }
  if (!seen->holder || seen->holder->lease != turn_.lease.id) return lose("the key is another's");
  note_contact();
  turn_.kept_ns = now_ns;
  turn_.keep_next_ns = now_ns + *left / kAsksPerTtl;
  share([&](Shared& shared) {
    shared.is_overdue = false;
    shared.ends_ns = now_ns + *left;
  });
}

// Others see who serves it, and a next life of this host knows its own key by the journal.
void Coordinator::declare(const LocalVdisk& local) {
  const etcd::WriterRecord record = record_of(local);
  if (!local.is_open || record == turn_.declared) return;
  auto done = asking_->declare(turn_.lease.id, etcd::encode_writer(record));
  if (!done) return note_trouble(done.error());
  if (!*done) return lose("the key is another's");
  turn_.declared = record;
}

etcd::WriterRecord Coordinator::record_of(const LocalVdisk& local) const {
  return {.host = parts_.host,
          .control = parts_.control,
          .journal = local.journal.is_nil() ? std::string() : local.journal.text(),
          .epoch = local.epoch,
          .since = turn_.since};
}

void Coordinator::lose(const std::string& why) {
  const bool is_open = parts_.look().is_open;
  parts_.logger->warning(fmt::format(
      "event=lease_lost vdisk={} reason=\"{}\" next=\"tries to get it again\"", parts_.vdisk, why));
  turn_.is_held = false;
  turn_.lease = {};
  share([&](Shared& shared) {
    shared.is_held = false;
    shared.is_open = is_open;
    shared.ends_ns = 0;
    if (!is_open && !shared.is_beginning) shared.is_ready = false;
  });
}

void Coordinator::give_back() {
  if (turn_.lease.id != 0) {
    if (Status revoked = asking_->revoke(turn_.lease.id); !revoked) note_trouble(revoked.error());
  }
  parts_.logger->info(fmt::format("event=lease_given_back vdisk={}", parts_.vdisk));
  turn_.is_held = false;
  turn_.lease = {};
  share([&](Shared& shared) {
    shared.is_held = false;
    shared.is_overdue = false;
    shared.ends_ns = 0;
  });
}

// The vdisk serves nobody any more: whoever can shall have it.
void Coordinator::fence_or_fail(const LocalVdisk& local) {
  if (turn_.has_failed) return;
  if (local.is_fenced) turn_.has_yielded = turn_.is_held && !turn_.was_superseded;
  turn_.has_failed = !local.is_fenced;
  if (turn_.is_held) give_back();
  parts_.logger->error(fmt::format("event=lease_ended vdisk={} reason=\"{}\" next=\"{}\"",
                                   parts_.vdisk, local.reason,
                                   local.is_fenced ? "stands by" : "restart the server"));
  if (local.is_fenced) parts_.retire();
  share([&](Shared& shared) {
    shared.is_ready = false;
    shared.is_open = false;
    shared.refusal = local.reason;
  });
}

void Coordinator::end(bool everything_stored, Epoch epoch) {
  {
    MutexLock lock(mutex_);
    if (ending_.exchange(true)) return;
    if (watching_) watching_->wake();
    changed_.notify_all();
  }
  if (lease_thread_.joinable()) lease_thread_.join();
  if (!asking_ || !everything_stored) return;
  if (epoch != 0) {
    etcd::WriterRecord words = turn_.declared;
    words.host = parts_.host;
    words.epoch = epoch;
    words.since = parts_.clock->wall_ns();
    (void)asking_->leave_words(etcd::encode_writer(words));  // without them the operator decides
  }
  if (turn_.is_held) give_back();
}

}  // namespace tlog::session
