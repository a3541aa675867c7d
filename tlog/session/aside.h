// File: tlog/session/aside.h
// What a takeover finds of an earlier life of the vdisk on this host: a journal, a file of blocks.
// None of it is part of the vdisk any more; it is moved aside for who wants to look into it.
// Threading: the thread that takes over.
#pragma once

#include <string>

#include "tlog/base/result.h"
#include "tlog/base/types.h"
#include "tlog/io/file.h"

namespace tlog::session {

// For an operator's takeover: PATH.before-takeover-N, which is removed by nobody but the operator.
// Answers the new path.
Result<std::string> move_aside(io::FileSystem& files, const std::string& path);

// For takeovers that nobody asked for and that may be many: one generation is kept, the newest.
// PATH.taken-over.
Result<std::string> keep_aside(io::FileSystem& files, const std::string& path);
// The same for a journal's folder, PATH.taken-over-UUID: older ones go with their arenas.
Result<std::string> keep_journal_aside(io::FileSystem& files, const std::string& path,
                                       const Uuid& journal, const std::string& arena_directory);

}  // namespace tlog::session
