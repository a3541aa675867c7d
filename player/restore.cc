#include "player/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tlog/base/crc32c.h"

namespace tlog::player {

namespace {
// Of one batch. Small aggregations are joined too, and a batch takes no more than a large one does.
constexpr std::size_t kHeldMax = 1024;
constexpr std::size_t kPartsMax = 64 * kKiB;
constexpr std::uint64_t kProbeStep = 64 * kKiB;
constexpr std::uint64_t kProbeSearchMax = 1024 * kMiB;

bool overlaps(const RestoreProbe& probe, std::span<const Change> changes) {
  return std::any_of(changes.begin(), changes.end(), [&](const Change& change) {
    return change.offset < probe.offset + probe.length &&
           probe.offset < change.offset + change.length;
  });
}
}  // namespace

Restore::Restore(Parts parts, RestoreOptions options)
    : parts_(std::move(parts)), options_(std::move(options)) {
  state_path_ = options_.state_path;
  if (!state_path_.empty()) return;
  state_path_ = parts_.target.default_state_path();
  constexpr std::string_view kSuffix = ".tlogplay-state";
  if (!options_.goes_on || !state_path_.ends_with(kSuffix)) return;
  // Who restores there later must not believe it.
  state_path_.replace(state_path_.size() - kSuffix.size(), kSuffix.size(), ".tlogplay-follow");
}

Error Restore::interrupted() const {
  return Error(Code::kShutdown, "restore: interrupted");
}

Result<RestoreReport> Restore::run() {
  began_at_ns_ = parts_.clock.monotonic_ns();
  TLOG_ASSIGN(range_, reachable_range(parts_.reader));
  if (range_.empty()) {
    return fail(Code::kNotFound,
                fmt::format("restore: {}: its log is empty, there is nothing to restore; if it was "
                            "written to just now, `tlogctl flush` stores the newest writes",
                            parts_.reader.metadata().format.name));
  }
  ResolveOptions how;
  how.now = parts_.clock.wall_ns();
  how.up_to_damage = options_.up_to_damage;
  parts_.progress.begin("looking for the mark", range_.last_sequence, 0);
  std::uint64_t looked_at = 0;
  how.watch = [&](const walk::Visited& visited) {
    looked_at += visited.opened.plaintext.size();
    parts_.progress.update(visited.opened.aggregation.header.last_sequence, looked_at);
    return !parts_.stop.load();
  };
  TLOG_ASSIGN(cut_, resolve(parts_.reader, options_.until, range_, how));
  TLOG_TRY(find_position());
  TLOG_ASSIGN(report_.target, parts_.target.check(resuming_));
  if (!options_.dry_run) {
    TLOG_TRY(prepare_target());
    has_prepared_ = true;
  }
  if (Status walked = walk(); !walked) TLOG_TRY(end_early(walked.error()));
  TLOG_TRY(finish());
  return report_;
}

Status Restore::walk() {
  if (reached_.number != 0 && reached_.sequence >= cut_.sequence) return {};
  walk::WalkOptions how;
  how.first = reached_.number + 1;
  how.read_ahead = options_.read_ahead;
  parts_.progress.begin(options_.dry_run ? "reading" : "restoring",
                        std::min(cut_.sequence, range_.last_sequence), reached_.sequence);
  return parts_.reader.walk(how, [this](walk::Visited& visited) { return visit(visited); });
}

Result<bool> Restore::visit(walk::Visited& visited) {
  if (parts_.stop.load()) {
    own_error_ = true;
    return fail(interrupted());
  }
  const format::AggregationHeader header = visited.opened.aggregation.header;
  const std::uint64_t size = parts_.reader.metadata().format.size;
  // The reader checks its own chain; this is the link to what an earlier run has applied.
  if (reached_.number != 0 &&
      (header.number != reached_.number + 1 || header.prev != reached_.hash)) {
    return fail(Code::kCorruption,
                fmt::format("aggregation {}: sequence {}: does not follow aggregation {}",
                            header.number, header.first_sequence, reached_.number));
  }
  // First of all: nothing of an aggregation is taken when something of it is wrong.
  for (const format::Record& record : visited.opened.aggregation.records) {
    bool ranged = record.operation != Operation::kMark && record.operation != Operation::kFlush;
    if (ranged && (record.offset > size || record.size > size - record.offset)) {
      return fail(Code::kCorruption,
                  fmt::format("aggregation {}: sequence {}: reaches beyond the vdisk's end",
                              header.number, record.sequence));
    }
  }
  for (const format::Record& record : visited.opened.aggregation.records) {
    if (record.sequence > cut_.sequence || record.timestamp > cut_.time) {
      cut_inside_ = true;
      break;
    }
    if (!options_.dry_run) batch_.add(record);
    ++reached_.records;
    reached_.sequence = record.sequence;
    reached_.time = record.timestamp;
  }
  reached_.bytes += visited.opened.plaintext.size();
  if (!cut_inside_) {
    reached_.number = header.number;
    reached_.epoch = header.epoch;
    reached_.hash = visited.opened.hash;
  }
  ++report_.aggregations;
  report_.shards_bad += visited.shards_bad;
  TLOG_TRY(hold(visited.opened));
  parts_.progress.update(reached_.sequence, reached_.bytes - bytes_before_);
  // Whatever comes after the point is not even looked at, damaged or not.
  return !cut_inside_ && reached_.sequence < cut_.sequence;
}

// Keeps what the batch points into, until the batch is worth applying.
Status Restore::hold(seal::Opened& opened) {
  if (options_.dry_run) return {};
  held_bytes_ += opened.plaintext.size();
  held_.push_back(std::move(opened));
  bool enough = held_bytes_ >= options_.batch_bytes || held_.size() >= kHeldMax ||
                batch_.parts() >= kPartsMax;
  if (!enough) return {};
  Status applied = apply_held();
  own_error_ = !applied.has_value();
  return applied;
}

// The first data in it that tells it from blank.
std::optional<RestoreProbe> Restore::probe_of(std::span<const Change> changes) const {
  if (!parts_.target.wants_probe()) return std::nullopt;
  for (const Change& change : changes) {
    if (change.kind != ChangeKind::kData) continue;
    ConstByteSpan piece = change.pieces.front();
    // Zeros are what any blank target holds.
    bool telling = std::any_of(piece.begin(), piece.end(),
                               [](std::byte byte) { return byte != std::byte{0}; });
    if (!telling) continue;
    return RestoreProbe{change.offset, static_cast<std::uint32_t>(piece.size()), crc32c(piece)};
  }
  return std::nullopt;
}

// What is kept current is not begun anew for having been killed: where what it is known by is about
// to be overwritten, it is to be known by what comes now, too.
Status Restore::guard_probe(std::span<const Change> changes,
                            const std::optional<RestoreProbe>& next) {
  if (!options_.goes_on || !saved_.probe || !overlaps(*saved_.probe, changes)) return {};
  TLOG_TRY(save_position(At::kOnTheWay));
  saved_.next_probe = next;
  return save_state(parts_.files, state_path_, saved_);
}

Status Restore::apply_held() {
  auto changes = batch_.changes();
  const std::optional<RestoreProbe> probe = probe_of(changes);
  TLOG_TRY(guard_probe(changes, probe));
  TLOG_TRY(parts_.target.apply(changes));
  if (probe) {
    reached_.probe = probe;
  } else if (reached_.probe && overlaps(*reached_.probe, changes)) {
    reached_.probe.reset();
  }
  batch_.clear();
  held_.clear();
  held_bytes_ = 0;
  applied_ = reached_;
  bool due = parts_.clock.monotonic_ns() - saved_at_ns_ >= options_.sync_every_ns;
  // In the middle of an aggregation is no position; the end is near then.
  if (!due || cut_inside_) return {};
  return save_position(At::kOnTheWay);
}

// When what it was known by was overwritten with nothing telling: the first thing that is there.
Result<std::optional<RestoreProbe>> Restore::find_probe() {
  const std::uint64_t size = parts_.reader.metadata().format.size;
  Buffer bytes(kProbeStep);
  RestoreProbe probe;
  for (std::uint64_t at = 0; at < std::min(size, kProbeSearchMax); at += kProbeStep) {
    const ByteSpan piece = bytes.span().first(std::min<std::uint64_t>(kProbeStep, size - at));
    TLOG_TRY(parts_.target.read(at, piece));
    const bool is_blank = all_zero(piece);
    // Where all is blank, any blank target will do.
    if (is_blank && at != 0) continue;
    probe = {at, static_cast<std::uint32_t>(piece.size()), crc32c(piece)};
    if (!is_blank) break;
  }
  return std::optional(probe);
}

Status Restore::save_position(At at) {
  TLOG_TRY(parts_.target.sync());
  saved_at_ns_ = parts_.clock.monotonic_ns();
  if (applied_.number == 0) return {};
  if (options_.goes_on && parts_.target.wants_probe() && !applied_.probe) {
    TLOG_ASSIGN(applied_.probe, find_probe());
    reached_.probe = applied_.probe;
  }
  applied_.until = cut_.sequence;
  applied_.follows = options_.goes_on;
  applied_.next_probe.reset();
  applied_.stamp.clear();
  TLOG_ASSIGN(applied_.target, parts_.target.identity());
  if (options_.goes_on && at == At::kEnd) {
    // Nothing beyond this is in it, and the next point is a later one.
    applied_.until = applied_.sequence;
    TLOG_ASSIGN(applied_.stamp, parts_.target.stamp());
  }
  TLOG_TRY(save_state(parts_.files, state_path_, applied_));
  saved_ = applied_;
  return {};
}

// The log, the stores or the user ended the walk before the point was reached.
Status Restore::end_early(const Error& error) {
  fill_report();
  bool is_interruption = error.code() == Code::kShutdown;
  if (own_error_ && !is_interruption) return fail(error);
  if (!options_.dry_run) {
    TLOG_TRY(apply_held());
    TLOG_TRY(save_position(At::kEnd));
  }
  std::string so_far = "; nothing was restored yet";
  if (options_.dry_run) {
    so_far.clear();
  } else if (applied_.number != 0) {
    so_far = fmt::format("; {} holds what is before, up to sequence {}",
                         parts_.target.unfinished_name(), reached_.sequence);
  }
  if (error.code() != Code::kCorruption) {
    bool may_continue = !options_.dry_run && applied_.number != 0;
    return fail(error.code(), error.message() + so_far +
                                  (may_continue ? "; the same command continues there" : ""));
  }
  if (options_.up_to_damage && reached_.sequence != 0) {
    report_.damage = error.message();
    return {};
  }
  return fail(Code::kCorruption,
              fmt::format("restore: {}{}; nothing at or after the damage was applied{}",
                          error.message(), so_far,
                          options_.goes_on ? ""
                                           : "; --up-to-damage completes the restore with what is "
                                             "before it"));
}

Status Restore::finish() {
  bool exact = cut_.time == ~TimestampNs{0} && report_.damage.empty();
  if (exact && reached_.sequence != cut_.sequence) {
    return fail(Code::kCorruption, fmt::format("restore: the log ended at sequence {}, before {}",
                                               reached_.sequence, cut_.sequence));
  }
  if (!options_.dry_run) {
    TLOG_TRY(apply_held());
    if (options_.goes_on) {
      // Nobody lets go of the target: it is written on.
      TLOG_TRY(save_position(At::kEnd));
      fill_report();
      return {};
    }
    TLOG_TRY(parts_.target.commit());
    Status removed = parts_.files.remove(state_path_);
    if (!removed && removed.error().code() != Code::kNotFound) {
      parts_.note(removed.error().message());
    }
  }
  parts_.progress.complete(reached_.bytes - bytes_before_);
  fill_report();
  return {};
}

void Restore::fill_report() {
  report_.records = reached_.records;
  report_.bytes = reached_.bytes;
  report_.bytes_now = reached_.bytes - bytes_before_;
  report_.sequence = reached_.sequence;
  report_.time = reached_.time;
  report_.seconds = static_cast<double>(parts_.clock.monotonic_ns() - began_at_ns_) / 1e9;
}

}  // namespace tlog::player
