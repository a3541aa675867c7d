// File: player/recover.h
// `tlogplay recover --scan`: brings a vdisk back from its shards alone, from a cluster's stores or
// a folder of loose files. The restore is that of `tlogplay restore`; only the log is found
// otherwise. Threading: one thread. Errors: told through Output, in the exit code.
#pragma once

#include "player/restore_run.h"
#include "player/scan_source.h"

namespace tlog::player {

struct Console {  // borrowed
  Output& output;
  Progress& progress;
  const Clock& clock;
  const std::atomic<bool>& stop;
};

// `job`: target, options; the rest is filled in. `config`: an empty one when there is none.
int run_recover(const ScanRequest& request, RestoreJob job, const Console& console,
                const config::Config& config, const SourceEnvironment& environment);

}  // namespace tlog::player
