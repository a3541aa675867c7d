// File: player/restore.h
// Plays a log onto a target: the job of `tlogplay restore`.
//
// The way of a restore: the point is looked up (nothing is touched when it cannot be reached), an
// unfinished restore of the same target is picked up, the target is checked and prepared, then the
// reader walks the log (reading and opening ahead in parallel) while this thread gathers
// aggregations into batches and applies them. Every few seconds the target is synced and the
// position kept, so that an interruption loses little. Last, the target is committed. Memory: one
// batch and the reader's read-ahead, however long the log is.
//
// Threading: run() once, in one thread; `stop` may be set from anywhere, a signal handler too.
// Errors: kCorruption: the chain is broken, the position is named, nothing at or after it was
// applied. kShutdown: interrupted. After any error an unfinished target stays, with its state; the
// same command continues.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "player/point.h"
#include "player/progress.h"
#include "player/state.h"
#include "player/target.h"
#include "tlog/base/clock.h"

namespace tlog::player {

struct RestoreOptions {
  Until until;
  bool up_to_damage = false;
  bool dry_run = false;
  bool restart = false;  // forget an unfinished restore of this target
  // The target is kept current: the position stays when the point is reached, and the next run
  // goes on there; what cannot be gone on with is refused, and never begun anew without `restart`.
  bool goes_on = false;
  std::string state_path;  // default: the target's own
  unsigned read_ahead = 8;
  std::uint64_t batch_bytes = 32 * kMiB;  // sorted over: a file system likes order
  std::uint64_t sync_every_ns = 5'000'000'000;
};

struct RestoreReport {
  std::string target;  // what Target::check() says of it
  std::uint64_t aggregations = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;       // of log, opened; with those of the run that was continued
  std::uint64_t bytes_now = 0;   // in this run
  Sequence sequence = 0;         // what the target holds: everything up to it
  TimestampNs time = 0;          // of that record
  Sequence resumed_after = 0;    // 0: from the beginning
  std::uint64_t shards_bad = 0;  // that had to be worked around
  double seconds = 0;
  std::string damage;  // with up_to_damage: why the log ended early
};

class Restore {
 public:
  struct Parts {  // borrowed
    walk::LogReader& reader;
    Target& target;
    io::FileSystem& files;
    const Clock& clock;
    Progress& progress;
    const std::atomic<bool>& stop;
    std::function<void(const std::string&)> note;  // something the user should know
  };
  Restore(Parts parts, RestoreOptions options);

  Result<RestoreReport> run();
  // How far it came; after an error too.
  const RestoreReport& report() const { return report_; }
  AggregationNumber last_aggregation() const { return reached_.number; }
  bool has_prepared() const { return has_prepared_; }  // the target: `restart` has been obeyed

 private:
  Status find_position();
  // Why an unfinished restore cannot be continued; empty when it can.
  Result<std::string> obstacle(const RestoreState& state);
  Error cannot_go_on(const std::string& reason) const;
  Status check_goes_on(const RestoreState& state);
  Status prepare_target();
  Result<bool> probe_matches(const RestoreProbe& probe);
  Status begin_anew(const std::string& reason);
  Status walk();
  Result<bool> visit(walk::Visited& visited);
  Status hold(seal::Opened& opened);
  Status apply_held();
  Result<std::optional<RestoreProbe>> find_probe();
  enum class At { kOnTheWay, kEnd };
  Status save_position(At at);
  std::optional<RestoreProbe> probe_of(std::span<const Change> changes) const;
  Status guard_probe(std::span<const Change> changes, const std::optional<RestoreProbe>& next);
  Status end_early(const Error& error);
  void fill_report();
  Status finish();
  Error interrupted() const;

  Parts parts_;
  const RestoreOptions options_;
  std::string state_path_;
  RestoreReport report_;
  Range range_;
  Cut cut_;
  bool resuming_ = false;
  bool has_prepared_ = false;
  std::uint64_t bytes_before_ = 0;  // of the run that is continued

  Batch batch_;
  std::vector<seal::Opened> held_;  // what the batch points into
  std::uint64_t held_bytes_ = 0;
  RestoreState reached_;     // by what has been visited
  RestoreState applied_;     // by what is in the target
  RestoreState saved_;       // by the state's file
  bool cut_inside_ = false;  // the last visited aggregation was not taken whole
  std::uint64_t began_at_ns_ = 0;
  std::uint64_t saved_at_ns_ = 0;
  bool own_error_ = false;  // the walk ended by us or by the target, not by the log
};

}  // namespace tlog::player
