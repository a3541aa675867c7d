// File: player/vdisk_target.h
// A new vdisk of the configuration as a restore's target: made by the engine and written through
// it, so that its own log begins with the restored contents. See target.h.
#pragma once

#include "player/source.h"
#include "player/target.h"

namespace tlog::player {

// `options.name` is "vdisk:ID".
Result<std::unique_ptr<Target>> make_vdisk_target(const TargetOptions& options,
                                                  const config::Config& config,
                                                  const SourceEnvironment& environment);

}  // namespace tlog::player
