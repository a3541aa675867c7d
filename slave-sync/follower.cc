#include "slave-sync/follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "slave-sync/position_text.h"
#include "tlog/session/core.h"
#include "tlog/session/laid_over.h"

namespace tlog::standby {
namespace {

// Laid over each other before they are sent: rewrites of the same blocks are sent once.
constexpr std::uint64_t kBatchBytes = 4 * kMiB;

}  // namespace

Follower::Follower(const session::StandbyParts& parts, Options options)
    : parts_(parts), options_(std::move(options)), may_discard_(options_.discard) {}

Status Follower::open() {
  // Nothing was ever applied anywhere that had not been durable here first.
  const Sequence possible = parts_.core->durable.value();
  TLOG_ASSIGN(auto storage, parts_.open_follower(options_.servers, possible, options_.discard));
  MutexLock lock(mutex_);
  storage_ = std::move(storage);
  at_.assign(options_.servers.size(), 0);
  return {};
}

session::SyncPosition Follower::position() const {
  MutexLock lock(mutex_);
  return position_;
}

std::string Follower::server_name(std::size_t part) const {
  return store::name_of(options_.servers[part]);
}

// ---- Where the servers are ----

Status Follower::look() {
  const auto found = storage_->positions();
  for (std::size_t part = 0; part < found.size(); ++part) {
    if (!found[part]) return fail(found[part].error());
  }
  TLOG_TRY(read_log());
  for (std::size_t part = 0; part < found.size(); ++part) {
    blocks::PartPosition position = *found[part];
    Status same = position.is_empty ? Status() : verify(server_name(part), position);
    const bool discards = !same && same.error().code() == Code::kCorruption && may_discard_;
    if (!same && !discards) return same;
    if (position.is_empty || discards) {
      TLOG_TRY(storage_->start_over(part));
      parts_.core->logger.warning(
          fmt::format("event=standby_begun vdisk={} store=\"{}\" reason=\"{}\" next=\"brought up "
                      "from the log's beginning\"",
                      parts_.core->config.name, server_name(part),
                      discards ? same.error().message() : std::string("it was empty")));
      position.sequence = 0;
    }
    at_[part] = position.sequence;
  }
  reached_ = {};
  const std::string& chain = found.front()->chain;
  const bool is_one = std::all_of(found.begin(), found.end(), [&](const auto& position) {
    return position->chain == chain && !position->is_empty;
  });
  if (auto parsed = parse_position(chain); is_one && parsed && chain == verified_) {
    const Sequence end = parsed->sequence;
    if (std::all_of(at_.begin(), at_.end(), [end](Sequence at) { return at == end; }))
      reached_ = *parsed;
  }
  is_placed_ = true;
  may_discard_ = false;
  note_position();
  return {};
}

// Of a server that was active before it followed, only what it was brought to as a follower has a
// position; what it was given afterwards is told by the epochs (blocks/cluster_layout.h, Fork).
Status Follower::verify(const std::string& server, const blocks::PartPosition& found) {
  if (found.chain.empty() || found.chain == verified_) return {};
  auto diverged = [&](const std::string& why) {
    return fail(Code::kCorruption,
                fmt::format("{}: it has diverged: it has the blocks up to sequence {} (epoch {}), "
                            "and {}",
                            server, found.sequence, found.epoch, why));
  };
  auto has = parse_position(found.chain);
  if (!has) return diverged(fmt::format("its position cannot be read: {}", has.error().message()));
  if (has->number == 0) return {};
  if (has->number > reader_->head().number) {
    return diverged(fmt::format("it followed a log to {}; this log ends at aggregation {}",
                                describe(*has), reader_->head().number));
  }
  TLOG_ASSIGN(const session::SyncPosition log, log_at(has->number));
  if (log == *has) {
    verified_ = found.chain;
    return {};
  }
  return diverged(
      fmt::format("it followed a log with {}; this log has {}", describe(*has), describe(log)));
}

Result<std::optional<session::SyncPosition>> Follower::ask_servers() {
  std::optional<session::SyncPosition> all;
  for (const auto& found : storage_->positions()) {
    if (!found) return fail(found.error());
    auto one = parse_position(found->chain);
    if (!one || (all && *all != *one)) return std::optional<session::SyncPosition>();
    all = *one;
  }
  return all;
}

Result<session::SyncPosition> Follower::log_at(AggregationNumber number) {
  session::SyncPosition log;
  TLOG_TRY(read_log());
  TLOG_TRY(reader_->walk({.first = number, .last = number, .read_ahead = 1},
                         [&](walk::Visited& visited) -> Result<bool> {
                           log = position_of(visited);
                           return false;
                         }));
  return log;
}

// ---- From the log ----

Status Follower::read_log() {
  const auto newest = parts_.core->recent_log.newest();
  if (reader_ && newest && newest->number >= reader_->head().number) {
    reader_->advance_head(*newest);
    return {};
  }
  if (reader_) return reader_->refresh_head();
  session::Core& core = *parts_.core;
  TLOG_ASSIGN(reader_,
              walk::LogReader::open(
                  {.vdisk = core.config.name,
                   .stores = parts_.log_stores,
                   .sealer = parts_.sealer,
                   .workers = &core.workers,
                   .logger = &core.logger,
                   .beside_writer = true,
                   .found_bad = [this](AggregationNumber number,
                                       const auto& shards) { parts_.log->mend(number, shards); },
                   .stopping = options_.stopping}));
  if (newest) reader_->advance_head(*newest);
  return {};
}

Result<AggregationNumber> Follower::first_wanted(Sequence after) {
  if (reached_.number != 0 && reached_.sequence == after) return reached_.number + 1;
  return reader_->find_sequence(after + 1);
}

session::SyncPosition Follower::position_of(const walk::Visited& visited) const {
  const format::AggregationHeader& header = visited.opened.aggregation.header;
  return {.epoch = header.epoch,
          .sequence = header.last_sequence,
          .number = header.number,
          .hash = visited.opened.hash};
}

Status Follower::catch_up(bool ask) {
  if (ask) is_placed_ = false;
  // What has been found by probing may not be committed: only the writer knows.
  const Sequence stored = parts_.core->stored.value();
  Status done;
  if (!is_placed_) done = look();
  if (done) done = read_log();
  if (!done) return done;
  const Sequence after = *std::min_element(at_.begin(), at_.end());
  if (after >= stored) return {};
  TLOG_ASSIGN(const AggregationNumber first, first_wanted(after));
  Batch batch;
  done = reader_->walk({.first = first}, [&](walk::Visited& visited) -> Result<bool> {
    const Sequence last = visited.opened.aggregation.header.last_sequence;
    if (last > stored) return false;
    batch.bytes += visited.opened.plaintext.size();
    batch.aggregations.push_back(std::move(visited));
    if (batch.bytes >= kBatchBytes || last == stored) {
      TLOG_TRY(bring(batch));
      batch = {};
    }
    return last < stored;
  });
  if (done && !batch.aggregations.empty()) done = bring(batch);
  if (!done) {
    is_placed_ = false;
    return done;
  }
  if (*std::min_element(at_.begin(), at_.end()) >= stored) return {};
  return fail(Code::kUnavailable,
              fmt::format("the log can be read up to sequence {} only, {} is stored; bring back "
                          "the stores that have the rest",
                          *std::min_element(at_.begin(), at_.end()), stored));
}

Status Follower::bring(const Batch& batch) {
  const Sequence upto = batch.aggregations.back().opened.aggregation.header.last_sequence;
  std::set<Sequence> froms;
  for (Sequence at : at_) {
    if (at < upto) froms.insert(at);
  }
  Status done;
  for (Sequence from : froms) {
    if (Status one = bring_those_at(from, batch); !one) done = one;
  }
  if (done) {
    reached_ = position_of(batch.aggregations.back());
    verified_ = position_text(reached_);
  }
  applied_bytes_ += batch.bytes;
  note_position();
  return done;
}

Status Follower::bring_those_at(Sequence from, const Batch& batch) {
  const Sequence first = batch.aggregations.front().opened.aggregation.header.first_sequence;
  if (from + 1 < first) {
    return fail(
        Code::kUnavailable,
        fmt::format("a server is at sequence {}, the log was read from {} on", from, first));
  }
  const session::SyncPosition end = position_of(batch.aggregations.back());
  session::LaidOver laid_over;
  for (const walk::Visited& visited : batch.aggregations) {
    for (const format::Record& record : visited.opened.aggregation.records) {
      if (record.sequence > from) laid_over.add(record);
    }
  }
  blocks::FollowStep step{.changes = laid_over.changes(),
                          .parts = {},
                          .from = from,
                          .upto = end.sequence,
                          .chain = position_text(end)};
  for (Sequence at : at_) step.parts.push_back(at == from);
  const std::vector<Status> results = storage_->follow(step);
  Status all;
  for (std::size_t part = 0; part < results.size(); ++part) {
    if (!step.parts[part]) continue;
    if (results[part]) at_[part] = end.sequence;
    if (!results[part]) all = results[part];
  }
  return all;
}

void Follower::note_position() {
  const Sequence all_have = *std::min_element(at_.begin(), at_.end());
  {
    MutexLock lock(mutex_);
    if (reached_.number != 0 && all_have == reached_.sequence) {
      position_ = reached_;
    } else {
      position_ = {.epoch = parts_.log->epoch(), .sequence = all_have};
    }
  }
  if (options_.on_progress) options_.on_progress();
}

}  // namespace tlog::standby
