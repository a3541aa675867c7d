#include "tlog/session/sealing.h"

#include <fmt/format.h>

#include "tlog/base/assert.h"
#include "tlog/base/limits.h"

namespace tlog::session {
namespace {

constexpr std::uint64_t kStoresStuckNs = 250'000'000;

}  // namespace

Sealing::Sealing(Core& core, const seal::Sealer& sealer, flush::LogWriter& log, Start start,
                 std::function<void(Sequence)> on_stored)
    : core_(core),
      log_(log),
      appending_({.vdisk = core.uuid,
                  .name = core.config.name,
                  .data_shards = static_cast<std::uint8_t>(core.config.tlog.data_shards),
                  .parity_shards = static_cast<std::uint8_t>(core.config.tlog.parity_shards)},
                 sealer, log, start),
      on_stored_(std::move(on_stored)) {}

bool Sealing::due() const {
  const Sequence durable_end = core_.durable.value() + 1;
  aggregation::Waiting waiting;
  waiting.records = durable_end > core_.next_seal ? durable_end - core_.next_seal : 0;
  // Few large records may fill the arena long before they are flushSize: whoever waits for room
  // waits for them.
  const bool full =
      core_.journal->durable() - core_.position_of(core_.next_seal) >= kAggregationDataMax;
  waiting.forced =
      core_.forced >= core_.next_seal || core_.draining || full || core_.waiting_for_room != 0;
  waiting.oldest_age_ns = core_.clock.monotonic_ns() - core_.unsealed_since_ns;
  aggregation::Policy policy{core_.settings.flush_size, core_.settings.gather_time_ns()};
  return core_.state != State::kFailed && aggregation::is_due(policy, waiting);
}

// While local stores take something, writers are paced by the arena: what it has lost must be read
// back from the journal, at the cost of the disk that the stores write to. Stores on other machines
// cost that disk nothing: the arena goes ahead, and the journal takes the burst.
bool Sealing::stores_pace() {
  if (!core_.stores_are_local) return false;
  const Sequence stored = core_.stored.value();
  const std::uint64_t now = core_.clock.monotonic_ns();
  if (stored != stored_seen_) {
    stored_seen_ = stored;
    stored_seen_ns_ = now;
  }
  return now - stored_seen_ns_ < kStoresStuckNs;
}

// Decides under the lock which records an aggregation takes, and pins them in the arena.
bool Sealing::take(Job& job) {
  const bool log_takes = log_.may_append();
  MutexLock lock(core_.mutex());
  if (!due()) return false;
  const Sequence durable_end = core_.durable.value() + 1;
  const bool blocked = !log_takes && !stores_pace();
  const bool changed = std::exchange(core_.seal_blocked, blocked) != blocked;
  if (!log_takes) {
    // The arena may go ahead now. Told every time, a waiting writer would call this step again, and
    // both would spin.
    if (changed && core_.waiting_for_room != 0) core_.room.notify_all();
    return false;
  }
  aggregation::Gatherer gatherer;
  job.first = core_.next_seal;
  for (Sequence s = core_.next_seal; s < durable_end; ++s) {
    const journal::Entry& entry = core_.entry(s);
    if (!gatherer.takes(entry.data_length)) break;
    gatherer.add(entry.data_length);
    job.entries.push_back(entry);
  }
  job.urgent = core_.forced >= job.first || core_.draining;
  job.begin = job.entries.front().position;
  job.memory = core_.journal->in_arena(job.begin);
  if (job.memory != nullptr) core_.journal->pin(job.begin);
  return true;
}

// The arena has moved on (the log could not keep up): the journal's files have the bytes, and they
// are checked.
Status Sealing::fill(Job& job) {
  if (job.memory != nullptr) return {};
  TLOG_ASSIGN(job.read_back, core_.read_back(job.entries));
  job.memory = job.read_back.data();
  return {};
}

std::vector<format::Record> Sealing::records_of(const Job& job) {
  std::vector<format::Record> records;
  records.reserve(job.entries.size());
  for (std::size_t i = 0; i < job.entries.size(); ++i) {
    const journal::Entry& entry = job.entries[i];
    records.push_back(
        {.sequence = job.first + i,
         .offset = entry.offset,
         .size = entry.size,
         .operation = entry.operation,
         .timestamp = entry.timestamp,
         .hash = {},
         .data = {job.memory + (entry.data_position() - job.begin), entry.data_length}});
  }
  return records;
}

Status Sealing::seal_and_append(Job& job) {
  return appending_.append(
      records_of(job), seal::RecordHashes::kUnknown, job.urgent,
      [this](const Status& status, const format::AggregationReference& reference) {
        // At closing: what was not stored in time is in the journal and will be.
        if (!status && status.error().code() == Code::kShutdown) return;
        if (!status) {
          core_.fail_for_good(status.error().message());
          return;
        }
        core_.recent_log.add(reference);
        on_stored_(reference.last_sequence);
      });
}

bool Sealing::step() {
  Job job;
  if (!take(job)) return false;
  const bool pinned = job.memory != nullptr;
  Status done = fill(job);
  if (done) done = seal_and_append(job);
  bool more = true;
  {
    MutexLock lock(core_.mutex());
    if (pinned) core_.journal->unpin(job.begin);
    if (done) {
      core_.next_seal = job.first + job.entries.size();
      core_.unsealed_since_ns = core_.clock.monotonic_ns();
    }
    if (core_.waiting_for_room != 0) core_.room.notify_all();
  }
  if (!done) {
    core_.fail_for_good(done.error().message());
    more = false;
  }
  return more;
}

}  // namespace tlog::session
