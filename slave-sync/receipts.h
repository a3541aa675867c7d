// File: slave-sync/receipts.h
// The files of a vdisk's failover receipts (docs/format.md, "Receipts"), in one directory.
// Threading: any thread; one writer of a directory at a time.
#pragma once

#include <optional>
#include <string>

#include "tlog/io/file.h"
#include "tlog/session/standby.h"

namespace tlog::standby {

// Writes the receipt to a file of its own, whole or not at all, and says in `receipt.path` which.
Status keep_receipt(io::FileSystem& files, const std::string& directory, session::Receipt& receipt);
// The one of the last failover, with the path it was found at; none: there has been no failover. An
// error when that one cannot be read, also when older ones can.
Result<std::optional<session::Receipt>> newest_receipt(io::FileSystem& files,
                                                       const std::string& directory);

}  // namespace tlog::standby
