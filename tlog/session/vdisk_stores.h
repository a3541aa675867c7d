// File: tlog/session/vdisk_stores.h
// The stores of a vdisk's log cluster, opened for its writer. Threading: the thread that opens the
// vdisk.
#pragma once

#include <memory>
#include <vector>

#include "tlog/flush/log_writer.h"
#include "tlog/session/opening.h"

namespace tlog::session {

using Stores = std::vector<std::unique_ptr<store::Store>>;

Result<Stores> open_stores(const OpeningContext& context);
void close_stores(Stores& stores);  // waits
std::vector<store::Store*> borrow(const Stores& stores);

// What the log's writer of this vdisk needs.
flush::LogWriter::Parts writer_parts(const OpeningContext& context, const Stores& stores);

}  // namespace tlog::session
