#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/sim/actors.h"
#include "tlog/flush/claim.h"
#include "tlog/session/vdisk_storage.h"
#include "tlog/walk/log_place.h"

namespace tlog::sim {
namespace {

// After the heal everything must have settled within so long: many times of the longest back-offs
// and timeouts.
constexpr std::uint64_t kSettledNs = 120 * kSecond;
constexpr std::uint64_t kGivesUpNs = 60 * kSecond;

}  // namespace

struct SimWriter::Life {
  std::string name;
  SimProcess* process = nullptr;
  std::unique_ptr<flush::LogWriter> writer;
  // What the next append links to.
  AggregationNumber number = 0;
  Sequence sequence = 0;
  Hash256 hash;
  AggregationNumber acknowledged = 0;
  unsigned quorum = 0;
  bool is_fenced = false;
  std::shared_ptr<SimFollowed> followed;  // null: there is no standby
};

void SimWriter::live(bool is_last) {
  while (!stage_.ended && !stage_.world.failure() && (is_last || !stage_.healing)) {
    one_life(is_last);
    const std::uint64_t pause = is_last ? 2 * kSecond : 30 * stage_.append_pause_ns;
    stage_.world.sleep(stage_.world.below(pause));
  }
}

void SimWriter::one_life(bool is_last) {
  auto life = std::make_shared<Life>();
  life->name = fmt::format("{} life {}", name_, ++lives_);
  life->process = &stage_.new_process();
  Status opened = open(life);
  if (!opened) {
    stage_.check_refusal(life->name + " opens", opened.error());
    empty_refused_servers(*life->process);
    return life->process->end();
  }
  ++stage_.counts.opened;
  const std::uint64_t end = stage_.world.now() + stage_.world.below(stage_.life_ns);
  while (!stage_.healing && stage_.world.now() < end && !life->is_fenced &&
         !stage_.world.failure()) {
    append(life);
    stage_.world.sleep(stage_.world.below(2 * stage_.append_pause_ns));
  }
  // After the heal the one that lives may go on, or the very last one comes.
  if (is_last && stage_.healing && !life->is_fenced && stage_.world.chance(70)) {
    take_stock(life);
  } else if (stage_.world.chance(60)) {
    crash(*life);
  } else {
    close(*life);
  }
  leave(*life);
}

void SimWriter::leave(Life& life) {
  if (!life.followed) {
    life.writer.reset();
    return life.process->end();
  }
  life.followed->stop();
  life.writer.reset();  // waits for its stores
  life.followed->leave();
}

// As the engine does it for a host that takes over: nothing of an earlier journal is there.
void SimWriter::begin_standby(Life& life, const format::Metadata& metadata) {
  std::vector<blocks::Fork> forks = session::forks_of(metadata);
  forks.push_back({.epoch = life.writer->epoch(), .first_sequence = life.sequence + 1});
  stage_.standby->model().committed(life.number, life.hash);
  life.followed = std::make_shared<SimFollowed>(SimFollowed::Parts{
      .world = stage_.world,
      .process = *life.process,
      .format = stage_.format,
      .sealer = stage_.sealer,
      .epoch = life.writer->epoch(),
      .forks = std::move(forks),
      .stored = life.sequence,
      .mend = [writer = life.writer.get()](AggregationNumber number, const auto& shards) {
        writer->mend(number, shards);
      }});
  stage_.standby->begin(life.name, life.followed);
}

// As the engine does it: no epoch before it is open any more when the end of the log is looked for.
Status SimWriter::open(const std::shared_ptr<Life>& life) {
  const AggregationNumber committed = stage_.model.committed();
  SimProcess& process = *life->process;
  flush::LogWriter::Parts parts;
  parts.stores = process.stores();
  parts.sealer = &stage_.sealer;
  parts.files = &disk_;
  parts.loop = &process.loop();
  parts.clock = &system_clock();
  parts.logger = &stage_.world.logger();
  parts.hints_path = stage_.world.chance(90) ? "/journal/hints" : "";
  parts.buffered_bytes_max = stage_.world.chance(50) ? 64 * kKiB : 64 * kMiB;
  parts.write_quorum = stage_.write_quorum;
  parts.workers = stage_.world.chance(50) ? &process.workers() : nullptr;
  parts.journal = system_random().next_uuid();  // no two processes have one name
  parts.on_fenced = [this, life](const std::string& by) {
    life->is_fenced = true;
    if (!life->process->dead()) ++stage_.counts.fenced;
    stage_.world.note(life->name + " is fenced: " + by.substr(0, by.find(':')));
  };
  life->quorum = walk::write_quorum(walk::geometry_of(stage_.format), parts.write_quorum);

  TLOG_ASSIGN(auto found, walk::read_metadata(stage_.format.name, process.stores()));
  TLOG_ASSIGN(auto not_fenced, flush::LogWriter::fence(parts, found.metadata));
  // An operator, who sees that all servers are there and that nothing more will come back.
  const bool gives_up =
      stage_.healing && stage_.world.now() > stage_.healed_ns + kGivesUpNs && stage_.undecided();
  if (gives_up) ++stage_.counts.given_up;
  TLOG_ASSIGN(auto reader, process.read(stage_.sealer, std::move(not_fenced), gives_up));
  TLOG_TRY(flush::check_still_fenced(found.metadata, reader->metadata()));
  const walk::LogHead head = reader->head();
  stage_.model.check_head(life->name, committed, head);
  stage_.model.relied_on(head);
  TLOG_ASSIGN(life->writer, flush::LogWriter::open(std::move(parts), reader->metadata(), head));
  // Whatever was acknowledged by now to a writer before it is a part of what it writes behind. One
  // behind it may have begun already: then this one commits nothing, and is told so.
  stage_.model.check_head(life->name + ", who has opened it,",
                          stage_.model.committed_before(life->writer->epoch()), head);
  stage_.model.opened(life->writer->epoch());
  life->number = life->acknowledged = head.number;
  life->sequence = head.sequence;
  life->hash = head.hash;
  stage_.world.note(fmt::format("{}: epoch {} behind aggregation {}", life->name,
                                life->writer->epoch(), head.number));
  if (stage_.standby != nullptr) begin_standby(*life, reader->metadata());
  return {};
}

void SimWriter::append(const std::shared_ptr<Life>& life) {
  for (std::uint64_t more = stage_.world.between(1, 4); more > 0; --more) {
    if (!life->writer->may_append()) return;
    testing::Appended made;
    shard::ShardSet shards = stage_.maker.make(life->writer->epoch(), life->number + 1,
                                               life->sequence + 1, life->hash, made);
    stage_.model.appended(made, shards, life->quorum);
    if (life->followed) {
      stage_.standby->model().appended(made);
      life->followed->appended(made);
    }
    ++stage_.counts.appended;
    life->number = made.reference.number;
    life->sequence = made.reference.last_sequence;
    life->hash = made.reference.hash;
    life->writer->append(
        std::move(shards), made.reference, stage_.world.chance(50),
        [this, life, reference = made.reference](const Status& status) {
          if (!status || life->process->dead()) return;  // a dead one is told nothing
          if (life->acknowledged + 1 != reference.number) {
            stage_.world.fail(life->name + ": commits are not told in order");
          }
          life->acknowledged = reference.number;
          ++stage_.counts.acknowledged;
          stage_.world.note(fmt::format("{}: {} is committed", life->name, reference.number));
          stage_.model.acknowledged(reference);
          if (!life->followed) return;
          stage_.standby->model().committed(reference.number, reference.hash);
          life->followed->committed(reference);
        });
  }
}

void SimWriter::crash(Life& life) {
  ++stage_.counts.crashed;
  stage_.world.note(life.name + " crashes");
  life.process->die();
  if (stage_.world.chance(50)) disk_.cut_power([&] { return stage_.world.chance(50); });
}

bool SimWriter::close(Life& life) {
  stage_.world.note(life.name + " closes");
  const std::uint64_t budget = stage_.world.below(10 * kSecond);
  auto closed = std::make_shared<bool>(false);
  life.writer->close(stage_.world.now() + budget, [closed] { *closed = true; });
  if (stage_.world.sleep_until([&] { return *closed; }, budget + kSecond)) return true;
  stage_.world.fail(life.name + ": closing hangs");
  return false;
}

// ---- After the heal ----

// An operator, who does what the product asks for: a server that it refuses for good is emptied,
// when all others are whole.
void SimWriter::empty_refused_servers(SimProcess& process) {
  if (!stage_.healing) return;
  const std::vector<store::Store*> stores = process.stores();
  for (std::size_t i = 0; i < stores.size(); ++i) {
    const store::StoreStatus status = stores[i]->status();
    const bool asks = status.state == store::StoreState::kMismatch &&
                      (status.condition.find("(FLUSHDB)") != std::string::npos ||
                       status.condition.find("an empty one to replace it") != std::string::npos);
    SimServer& server = stage_.network[i];
    if (!asks || !stage_.model.may_lose_all(server) || !stage_.model.all_others_are_whole(server))
      continue;
    ++stage_.counts.emptied_by_hand;
    stage_.world.note(fmt::format("server{} is emptied by hand", i));
    stage_.model.lose(server, [&] { server.flush_all(); });
  }
}

// Who wanted to take it over, and came no further than to close its epoch on a few servers, has
// left it with so many less. That ends when it is opened again.
bool SimWriter::is_contested(const Life& life) const {
  if (life.is_fenced) return true;
  const std::vector<store::Store*> stores = life.process->stores();
  return std::any_of(stores.begin(), stores.end(), [](const store::Store* store) {
    return store->status().state == store::StoreState::kFenced;
  });
}

bool SimWriter::settle(Life& life) {
  const bool settled = stage_.world.sleep_until(
      [&] {
        empty_refused_servers(*life.process);
        return stage_.world.failure() || is_contested(life) ||
               (life.acknowledged == life.number && life.writer->status().missing_shards == 0 &&
                life.writer->status().doubtful_shards == 0);
      },
      kSettledNs);
  if (settled) return !stage_.world.failure() && !is_contested(life);
  const flush::LogWriterStatus status = life.writer->status();
  stage_.world.fail(fmt::format(
      "{}: long after the heal {} of {} appends are committed, {} shards are missing: {}",
      life.name, life.acknowledged, life.number, status.missing_shards, status.waiting_for));
  return false;
}

bool SimWriter::scrub(Life& life, bool repairs) {
  const Status begun = life.writer->scrub({.deep = true, .repair = repairs, .bytes_per_second = 0});
  if (is_contested(life)) return false;
  if (!begun) {
    stage_.world.fail(fmt::format("{}: {}", life.name, begun.error().message()));
    return false;
  }
  flush::ScrubStatus found;
  const bool ended = stage_.world.sleep_until(
      [&] {
        found = life.writer->status().scrub;
        return !found.running || is_contested(life);
      },
      kSettledNs);
  const bool clean = found.missing == 0 && found.wrong == 0 && found.unreachable == 0;
  if (is_contested(life)) return false;
  // Rotten shards nobody has looked at until now; one that is missing is the writer's to know of.
  if (ended && (clean || (repairs && found.missing == 0 && found.unreachable == 0))) return true;
  stage_.world.fail(
      fmt::format("{}: after the heal a scrub {}: {} missing, {} wrong, {} not reachable: {}",
                  life.name, ended ? "finds" : "does not end", found.missing, found.wrong,
                  found.unreachable, found.first_finding));
  return false;
}

bool SimWriter::settle_standby(Life& life) {
  if (!life.followed) return true;
  const auto settled = [&] { return life.followed->answered == life.sequence; };
  const bool ended = stage_.world.sleep_until(
      [&] { return stage_.world.failure() || is_contested(life) || settled(); }, kSettledNs);
  if (!ended) {
    stage_.world.fail(fmt::format("{}: long after the heal the standby has not everything: {}",
                                  life.name, life.followed->reason));
  }
  if (!settled() || stage_.world.failure()) return false;
  stage_.standby->model().check_equal();
  return true;
}

void SimWriter::take_stock(const std::shared_ptr<Life>& life) {
  // It goes on by itself, without being opened again.
  stage_.world.sleep_until([&] { return life->writer->may_append() || is_contested(*life); },
                           kSettledNs);
  append(life);
  if (!settle(*life) || !scrub(*life, true) || !settle(*life) || !scrub(*life, false)) return;
  if (is_contested(*life)) return;
  if (life->acknowledged != stage_.model.committed()) {
    return stage_.world.fail(fmt::format("{}: {} appends are acknowledged, of {}", life->name,
                                         life->acknowledged, stage_.model.committed()));
  }
  stage_.model.check_complete();
  if (!settle_standby(*life)) return;
  if (close(*life)) stage_.ended = true;
}

}  // namespace tlog::sim
