// File: slave-sync/receipts.h
// The files of a vdisk's failover receipts (docs/format.md, "Receipts"), in one directory.
// Threading: any thread; one writer of a directory at a time.
#pragma once

#include <string>

#include "tlog/io/file.h"
#include "tlog/session/standby.h"

namespace tlog::standby {

// Writes the receipt to a file of its own, whole or not at all, and says in `receipt.path` which.
Status keep_receipt(io::FileSystem& files, const std::string& directory, session::Receipt& receipt);

}  // namespace tlog::standby
