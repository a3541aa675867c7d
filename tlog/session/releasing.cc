#include "tlog/session/releasing.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/assert.h"

namespace tlog::session {
namespace {

constexpr std::uint64_t kReleaseAgainNs = 1'000'000'000;

}  // namespace

void Releasing::want_all() {
  MutexLock lock(core_.mutex());
  want_all_ = true;
}

Sequence Releasing::releasable_end() const {
  return std::min(core_.stored.value() + 1, core_.next_apply);
}

// A release costs a flush of block storage, so it waits for a good part of the journal; rewritten
// blocks are written to disk once per release.
bool Releasing::due() const {
  const Sequence end = releasable_end();
  if (core_.state == State::kFailed || core_.apply_held) return false;
  if (retry_ns_ != 0 && core_.clock.monotonic_ns() < retry_ns_) return false;
  if (end <= core_.table_first) return false;
  if (want_all_ || core_.draining) return true;
  std::uint64_t total = core_.journal->bytes_total();
  std::uint64_t used = core_.journal->head() - core_.journal->tail();
  std::uint64_t releasable = core_.position_of(end) - core_.journal->tail();
  bool crowded = used >= total / 2 || core_.table.size() >= core_.records_max / 2;
  return crowded && (releasable >= total / 8 || end - core_.table_first >= core_.records_max / 8 ||
                     core_.waiting_for_room != 0);
}

Status Releasing::release_up_to(Sequence end, bool clean) {
  TLOG_TRY(core_.storage()->flush());
  journal::Journal::Release release;
  {
    MutexLock lock(core_.mutex());
    release = {.position = core_.position_of(end),
               .sequence = end,
               .timestamp = core_.last_timestamp,
               .clean = clean};
    if (end < core_.table_end()) release.timestamp = core_.entry(end).timestamp;
  }
  note_unsynced(end);
  TLOG_TRY(core_.journal->release(release));
  MutexLock lock(core_.mutex());
  TLOG_ASSERT(end >= core_.table_first);
  core_.table.erase(core_.table.begin(),
                    core_.table.begin() + static_cast<std::ptrdiff_t>(end - core_.table_first));
  core_.table_first = end;
  core_.room.notify_all();
  return {};
}

// What the journal lets go of and a standby may not have. Only this strand takes records from the
// table's front, so that it can be done in slices.
void Releasing::note_unsynced(Sequence end) {
  constexpr Sequence kAtOnce = 1024;
  Sequence next = 0;
  for (bool more = true; more;) {
    MutexLock lock(core_.mutex());
    if (!core_.keeps_unsynced) return;
    next = std::max({next, core_.table_first, core_.synced.load() + 1});
    const Sequence stop = std::min(end, next + kAtOnce);
    for (; next < stop; ++next) {
      const journal::Entry& entry = core_.entry(next);
      const bool changes = overlay_kind(entry.operation) != Overlay::Kind::kNone;
      core_.unsynced.add(next, entry.timestamp, entry.offset, changes ? entry.size : 0);
    }
    more = next < end;
  }
}

bool Releasing::step() {
  Sequence end = 0;
  {
    MutexLock lock(core_.mutex());
    if (!due()) return false;
    end = releasable_end();
    want_all_ = false;
    core_.releasing = true;
  }
  Status done = release_up_to(end, false);
  {
    MutexLock lock(core_.mutex());
    core_.releasing = false;
    core_.room.notify_all();
  }
  if (done) return true;
  if (done.error().code() != Code::kUnavailable && done.error().code() != Code::kTimeout) {
    core_.fail_for_good(done.error().message());
    return false;
  }
  // Servers that are away: the journal keeps what they may not have.
  core_.logger.warning(
      fmt::format("event=release_failed vdisk={} reason=\"{}\" next=\"tried again\"",
                  core_.config.name, done.error().message()));
  {
    MutexLock lock(core_.mutex());
    retry_ns_ = core_.clock.monotonic_ns() + kReleaseAgainNs;
    want_all_ = true;
  }
  retry_later(kReleaseAgainNs);
  return false;
}

Status Releasing::release_clean() {
  Sequence end = 0;
  {
    MutexLock lock(core_.mutex());
    end = core_.table_end();
    // Applying may have been set back since, by a failover that went over without something.
    if (core_.stored.value() + 1 < end || core_.next_apply < end) {
      return fail(Code::kUnavailable, fmt::format("close: {}: not everything is applied; the next "
                                                  "opening does that",
                                                  core_.who()));
    }
  }
  return release_up_to(end, true);
}

}  // namespace tlog::session
