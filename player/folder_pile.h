// File: player/folder_pile.h
// A folder of loose shard files as a pile: with subfolders, other files and other vdisks' shards in
// it. See shard_pile.h. Symbolic links to files are read, those to folders are not followed.
#pragma once

#include <memory>

#include "player/shard_pile.h"
#include "tlog/io/file.h"
#include "tlog/io/loop.h"

namespace tlog::player {

// `loop` and `files` outlive the pile. Errors: kNotFound when there is no such folder.
Result<std::unique_ptr<ShardPile>> make_folder_pile(const std::string& folder,
                                                    io::FileSystem& files, io::Loop& loop);

}  // namespace tlog::player
