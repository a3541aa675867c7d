// A repository of copies of vdisks' logs from other sites: logs of frames (frame.h) as the files of
// a directory. What is pushed is verified before any of it is taken, without the key: every frame,
// the chain inside of a log, and that the logs of one vdisk's epochs follow each other. A fork is
// refused (403), never spliced.
//
// Threading, Durability: as repository.h. Errors: also kInvalidArgument for what is sent and is no
// frame, and kCorruption for a copy that is damaged already, when it is opened.
#pragma once

#include "gateways/logset/repository.h"
#include "tlog/io/file.h"

namespace tlog::logset {

Result<std::unique_ptr<Repository>> open_copy_repository(io::FileSystem& files,
                                                         const std::string& directory);

}  // namespace tlog::logset
