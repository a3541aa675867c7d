// File: player/state.h
// How far a restore has come, in a small file next to its target, so that the same command
// continues after an interruption. Written only after the target was synced: what it says is in the
// target, is. Threading: values and pure functions. Errors: load(): kNotFound when there is none; a
// file that cannot be understood is kInvalidArgument naming the remedy.
#pragma once

#include <optional>
#include <string>

#include "tlog/base/types.h"
#include "tlog/io/file.h"

namespace tlog::player {

// Something that the restore wrote: read back, it tells whether a target that cannot be staged is
// still the same one.
struct RestoreProbe {
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t crc32c = 0;
};

struct RestoreState {
  Uuid vdisk;
  std::string target;            // Target::identity()
  Sequence until = 0;            // no record beyond it has been applied
  AggregationNumber number = 0;  // all of it, and all before it, is in the target
  Epoch epoch = 0;
  Hash256 hash;               // of that aggregation: the chain must still say so
  std::uint64_t records = 0;  // applied so far, for the summary
  std::uint64_t bytes = 0;
  Sequence sequence = 0;  // the last of that aggregation
  TimestampNs time = 0;
  std::optional<RestoreProbe> probe;
  // Of a target that is kept current (RestoreOptions::goes_on):
  bool follows = false;
  // What the next batch writes first: where it was begun, the target holds this, or still `probe`.
  std::optional<RestoreProbe> next_probe;
  std::string
      stamp;  // Target::stamp() when nothing was under way; "": something is, or it has none
};

Result<RestoreState> load_state(io::FileSystem& files, const std::string& path);
Status save_state(io::FileSystem& files, const std::string& path, const RestoreState& state);

}  // namespace tlog::player
