// File: player/restore_run.h
// A restore behind its options: makes the target, runs the Restore, tells the outcome. For every
// command that restores, wherever its log was found.
// Threading: one thread. Errors: told through Output, in the exit code.
#pragma once

#include <optional>
#include <string>

#include "player/commands.h"
#include "player/source.h"

namespace tlog::player {

struct RestoreJob {
  std::string vdisk;   // that is restored
  std::string target;  // as the user gave it
  bool force = false;
  RestoreOptions options;
  // Of a log that was put together from what a scan has found; the strings are "" when there is
  // nothing to say.
  std::string beyond_damage;  // what was found behind the damage
  std::string lost_tail;      // what may be missing at the log's end
  const ScanSummary* scan = nullptr;
};

// A stripe is a part of the writes: nothing that ever was on a disk.
Status check_whole(const format::VdiskFormat& format);

int run_restore(const RestoreJob& job, CommandContext& context, const config::Config& config,
                const SourceEnvironment& environment);

}  // namespace tlog::player
