// A directory of logs that came by logset (docs/format.md, "Frames") as a pile: each frame's
// payload is a shard of a 1+0 cut. The openings of the logs tell what no shard does: names and
// sizes. See shard_pile.h.
#pragma once

#include <map>
#include <memory>

#include "player/shard_pile.h"
#include "tlog/io/file.h"
#include "tlog/io/loop.h"

namespace tlog::player {

struct FramePile {
  std::unique_ptr<ShardPile> pile;
  std::map<Uuid, format::VdiskFormat> formats;  // of the vdisks that were found
};
// `loop` and `files` outlive the pile. Reads the heads of all frames. Errors: kNotFound when there
// is no such directory, or no log in it.
Result<FramePile> make_frame_pile(const std::string& directory, io::FileSystem& files,
                                  io::Loop& loop);

}  // namespace tlog::player
