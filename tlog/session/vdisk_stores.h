// File: tlog/session/vdisk_stores.h
// The stores of a vdisk's log cluster, opened for its writer. Threading: the thread that opens the
// vdisk.
#pragma once

#include <memory>
#include <vector>

#include "tlog/flush/log_writer.h"
#include "tlog/session/opening.h"
#include "tlog/store/stores.h"

namespace tlog::session {

using store::Stores;

Result<Stores> open_stores(const OpeningContext& context);

// What the log's writer of this vdisk needs.
flush::LogWriter::Parts writer_parts(const OpeningContext& context, const Stores& stores);

}  // namespace tlog::session
