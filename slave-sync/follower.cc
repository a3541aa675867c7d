#include "slave-sync/follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "slave-sync/position_text.h"
#include "tlog/session/laid_over.h"

namespace tlog::standby {
namespace {

// Laid over each other before they are sent: rewrites of the same blocks are sent once.
constexpr std::uint64_t kBatchBytes = 4 * kMiB;

// A log that is damaged says nothing against the standby, which may be the better copy.
Error of_log(const Error& error) {
  if (error.code() == Code::kShutdown) return error;
  return Error(Code::kUnavailable, "the log cannot be read: " + error.message());
}

}  // namespace

Follower::Follower(Followed& vdisk, Options options)
    : vdisk_(vdisk), options_(std::move(options)), may_discard_(options_.discard) {}

Status Follower::open() {
  // Nothing was ever applied anywhere that had not been durable here first.
  const Sequence possible = vdisk_.durable();
  TLOG_ASSIGN(auto storage, vdisk_.open_follower(options_.servers, possible, options_.discard));
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
  for (std::size_t part = 0; part < found.size(); ++part) {
    blocks::PartPosition position = *found[part];
    Status same = position.is_empty ? Status() : verify(server_name(part), position);
    const bool discards = !same && same.error().code() == Code::kCorruption && may_discard_;
    if (!same && !discards) return same;
    if (position.is_empty || discards) {
      TLOG_TRY(storage_->start_over(part));
      vdisk_.logger().warning(
          fmt::format("event=standby_begun vdisk={} store=\"{}\" reason=\"{}\" next=\"brought up "
                      "from the log's beginning\"",
                      vdisk_.name(), server_name(part),
                      discards ? same.error().message() : std::string("it was empty")));
      position.sequence = 0;
    }
    at_[part] = position.sequence;
  }
  is_placed_ = true;
  may_discard_ = false;
  find_reached();
  note_position();
  return {};
}

// Which aggregation has brought all of them where they are: not known of a cluster that was active.
void Follower::find_reached() {
  const Sequence has = all_have();
  const bool are_level =
      std::all_of(at_.begin(), at_.end(), [has](Sequence at) { return at == has; });
  if (are_level && reached_.number != 0 && reached_.sequence == has) return;
  reached_ = {};
  if (!are_level || has == 0 || has > vdisk_.stored()) return;
  if (const auto known = vdisk_.recent_log().with(has)) {
    if (known->last_sequence == has) reached_ = session::position_of(*known);
    return;
  }
  if (Status read = read_log(); !read) return;
  const auto number = reader_->find_sequence(has);
  if (!number) return;
  if (auto log = log_at(*number); log && log->sequence == has) reached_ = *log;
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
  TLOG_TRY(read_log());
  if (has->number > reader_->head().number) {
    // Unless that is because it cannot be read there.
    if (Status read = reader_->walk({.first = has->number, .last = has->number, .read_ahead = 1},
                                    [](walk::Visited&) -> Result<bool> { return false; });
        !read) {
      return fail(of_log(read.error()));
    }
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

Result<Follower::Said> Follower::ask_servers() {
  const auto found = storage_->positions();
  Said said{.all_have = ~Sequence{0}, .position = {}};
  for (const auto& one : found) {
    if (!one) return fail(one.error());
    said.all_have = std::min(said.all_have, one->is_empty ? 0 : one->sequence);
  }
  const std::string& chain = found.front()->chain;
  const bool agree = std::all_of(found.begin(), found.end(), [&](const auto& one) {
    return one->chain == chain && one->sequence == said.all_have;
  });
  if (auto position = parse_position(chain);
      agree && position && position->sequence == said.all_have)
    said.position = *position;
  return said;
}

Result<session::SyncPosition> Follower::log_at(AggregationNumber number) {
  session::SyncPosition log;
  TLOG_TRY(read_log());
  Status read = reader_->walk({.first = number, .last = number, .read_ahead = 1},
                              [&](walk::Visited& visited) -> Result<bool> {
                                log = position_of(visited);
                                return false;
                              });
  if (!read) return fail(of_log(read.error()));
  return log;
}

// ---- From the log ----

Status Follower::read_log() {
  const auto newest = vdisk_.recent_log().newest();
  if (reader_ && newest && newest->number >= reader_->head().number) {
    reader_->advance_head(*newest);
    return {};
  }
  if (reader_) {
    Status refreshed = reader_->refresh_head();
    return refreshed ? Status() : Status(fail(of_log(refreshed.error())));
  }
  auto opened = walk::LogReader::open(
      {.vdisk = vdisk_.name(),
       .stores = vdisk_.log_stores(),
       .sealer = &vdisk_.sealer(),
       .workers = &vdisk_.workers(),
       .logger = &vdisk_.logger(),
       .beside_writer = true,
       .found_bad = [this](AggregationNumber number,
                           const auto& shards) { vdisk_.mend(number, shards); },
       .stopping = options_.stopping});
  if (!opened) return fail(of_log(opened.error()));
  reader_ = std::move(*opened);
  if (newest) reader_->advance_head(*newest);
  return {};
}

Result<AggregationNumber> Follower::first_wanted(Sequence after) {
  if (reached_.number != 0 && reached_.sequence == after) return reached_.number + 1;
  auto found = reader_->find_sequence(after + 1);
  if (!found) return fail(of_log(found.error()));
  return found;
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
  const Sequence stored = vdisk_.stored();
  if (!is_placed_) TLOG_TRY(look());
  Status done;
  while (done && all_have() < stored) {
    if (options_.stopping()) return fail(Code::kShutdown, "the vdisk is closing");
    const Sequence after = all_have();
    auto fresh = vdisk_.take_fresh(after, kBatchBytes);
    if (!fresh) return fail(Code::kUnavailable, fresh.error().message());
    if (!*fresh) {
      done = bring_from_log(after, stored);
      continue;
    }
    done = bring({.aggregations = {},
                  .records = std::move((*fresh)->records),
                  .end = (*fresh)->end,
                  .bytes = (*fresh)->bytes.size()});
  }
  if (!done) is_placed_ = false;
  return done;
}

Status Follower::bring_from_log(Sequence after, Sequence upto) {
  TLOG_TRY(read_log());
  TLOG_ASSIGN(const AggregationNumber first, first_wanted(after));
  Batch batch;
  Status brought;  // an error that is not the log's
  Status done = reader_->walk({.first = first}, [&](walk::Visited& visited) -> Result<bool> {
    const Sequence last = visited.opened.aggregation.header.last_sequence;
    if (last > upto) return false;
    batch.bytes += visited.opened.plaintext.size();
    batch.end = position_of(visited);
    const auto& records = visited.opened.aggregation.records;
    batch.records.insert(batch.records.end(), records.begin(), records.end());
    batch.aggregations.push_back(std::move(visited));
    if (batch.bytes >= kBatchBytes || last == upto) {
      brought = bring(batch);
      batch = {};
    }
    return brought && last < upto;
  });
  if (!done) return fail(of_log(done.error()));
  done = brought;
  if (done && !batch.records.empty()) done = bring(batch);
  if (!done || all_have() >= upto) return done;
  return fail(Code::kUnavailable,
              fmt::format("the log can be read up to sequence {} only, {} is stored; bring back "
                          "the stores that have the rest",
                          all_have(), upto));
}

Status Follower::bring(const Batch& batch) {
  std::set<Sequence> froms;
  for (Sequence at : at_) {
    if (at < batch.end.sequence) froms.insert(at);
  }
  Status done;
  for (Sequence from : froms) {
    if (Status one = bring_those_at(from, batch); !one) done = one;
  }
  if (done) {
    reached_ = batch.end;
    verified_ = position_text(reached_);
  }
  applied_bytes_ += batch.bytes;
  note_position();
  return done;
}

Status Follower::bring_those_at(Sequence from, const Batch& batch) {
  if (from + 1 < batch.records.front().sequence) {
    return fail(Code::kUnavailable,
                fmt::format("a server is at sequence {}, the log was read from {} on", from,
                            batch.records.front().sequence));
  }
  session::LaidOver laid_over;
  for (const format::Record& record : batch.records) {
    if (record.sequence > from) laid_over.add(record);
  }
  blocks::FollowStep step{.changes = laid_over.changes(),
                          .parts = {},
                          .from = from,
                          .upto = batch.end.sequence,
                          .chain = position_text(batch.end)};
  for (Sequence at : at_) step.parts.push_back(at == from);
  const std::vector<Status> results = storage_->follow(step);
  Status all;
  for (std::size_t part = 0; part < results.size(); ++part) {
    if (!step.parts[part]) continue;
    if (results[part]) at_[part] = batch.end.sequence;
    if (!results[part]) all = results[part];
  }
  return all;
}

Sequence Follower::all_have() const {
  return *std::min_element(at_.begin(), at_.end());
}

void Follower::note_position() {
  const Sequence has = all_have();
  {
    MutexLock lock(mutex_);
    if (reached_.number != 0 && has == reached_.sequence) {
      position_ = reached_;
    } else {
      position_ = {.epoch = vdisk_.epoch(), .sequence = has};
    }
  }
  if (options_.on_progress) options_.on_progress();
}

}  // namespace tlog::standby
