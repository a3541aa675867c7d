// File: player/export.h
// `tlogplay export-shards`: copies every intact shard of a vdisk's stores into a folder, one loose
// file each (loose_shard.h), byte for byte. Needs neither key nor metadata. Files that are there
// already and intact stay; nothing is removed.
//
// Threading: one thread. Durability: when it reports success, the files are on the disk.
// Errors: told through Output, in the exit code: kExitCorruption when aggregations were found of
// which fewer shards are intact than it takes to read them.
#pragma once

#include "player/recover.h"

namespace tlog::player {

struct ExportRequest {
  std::string folder;
  std::string vdisk;  // "": all of the configuration
};

int export_shards(const ExportRequest& request, const Console& console,
                  const config::Config& config, const SourceEnvironment& environment);

}  // namespace tlog::player
