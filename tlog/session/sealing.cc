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
      sealer_(sealer),
      log_(log),
      on_stored_(std::move(on_stored)),
      next_number_(start.next_number),
      prev_(start.prev) {}

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

format::Aggregation Sealing::aggregation_of(const Job& job) const {
  format::Aggregation aggregation;
  aggregation.header = {.vdisk = core_.uuid,
                        .number = next_number_,
                        .epoch = log_.epoch(),
                        .first_sequence = job.first,
                        .last_sequence = job.first + job.entries.size() - 1,
                        .timestamp = job.entries.back().timestamp,
                        .prev = prev_};
  aggregation.records.reserve(job.entries.size());
  for (std::size_t i = 0; i < job.entries.size(); ++i) {
    const journal::Entry& entry = job.entries[i];
    aggregation.records.push_back(
        {.sequence = job.first + i,
         .offset = entry.offset,
         .size = entry.size,
         .operation = entry.operation,
         .timestamp = entry.timestamp,
         .hash = {},
         .data = {job.memory + (entry.data_position() - job.begin), entry.data_length}});
  }
  return aggregation;
}

Status Sealing::seal_and_append(Job& job) {
  format::Aggregation aggregation = aggregation_of(job);
  const shard::Geometry geometry{core_.config.tlog.data_shards, core_.config.tlog.parity_shards};
  // The room wanted behind the sealed bytes depends on their length by less than a piece's
  // rounding.
  TLOG_ASSIGN(seal::Sealed sealed, sealer_.seal(aggregation, shard::tail_room_max(geometry)));
  shard::Identity identity{core_.uuid, aggregation.header.epoch, aggregation.header.number,
                           sealed.hash};
  format::AggregationReference reference{.number = aggregation.header.number,
                                         .epoch = aggregation.header.epoch,
                                         .hash = sealed.hash,
                                         .first_sequence = aggregation.header.first_sequence,
                                         .last_sequence = aggregation.header.last_sequence,
                                         .first_timestamp = aggregation.records.front().timestamp,
                                         .last_timestamp = aggregation.records.back().timestamp};
  shard::ShardSet shards(geometry, identity, std::move(sealed.bytes), sealed.length);
  prev_ = identity.aggregation_hash;
  ++next_number_;
  const Sequence last = aggregation.header.last_sequence;
  log_.append(std::move(shards), reference, job.urgent, [this, last, reference](Status status) {
    // At closing: what was not stored in time is in the journal and will be.
    if (!status && status.error().code() == Code::kShutdown) return;
    if (!status) {
      core_.fail_for_good(status.error().message());
      return;
    }
    core_.recent_log.add(reference);
    on_stored_(last);
  });
  return {};
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
