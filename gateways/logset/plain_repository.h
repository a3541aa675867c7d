// A repository of arbitrary byte logs: the files of a directory (log_directory.h).
// Threading, Durability, errors: as repository.h and log_directory.h.
#pragma once

#include "gateways/logset/repository.h"
#include "tlog/io/file.h"

namespace tlog::logset {

Result<std::unique_ptr<Repository>> open_plain_repository(io::FileSystem& files,
                                                          const std::string& directory);

}  // namespace tlog::logset
