// File: tlog/session/journal_records.h
// Records as the journal still has them, copied out of it: for whoever follows a vdisk's log behind
// its writer. Nothing is held back for it; who is too late finds them in the log.
// Threading: any thread, not under the core's mutex.
#pragma once

#include <optional>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/format/record.h"
#include "tlog/session/core.h"

namespace tlog::session {

struct CopiedRecords {
  Buffer bytes;
  std::vector<format::Record> records;  // dense; their data lies in `bytes`, hashes not filled
};

// `first` .. `last`. Nothing: the journal does not have all of them. Errors: its bytes are wrong.
Result<std::optional<CopiedRecords>> copy_records(Core& core, Sequence first, Sequence last);

// The last of the records from `first` on that about so many bytes reach, at least `first` itself,
// and none behind `last`. Nothing: the journal does not have `first`.
std::optional<Sequence> reach_of(Core& core, Sequence first, Sequence last,
                                 std::uint64_t bytes_wanted);

}  // namespace tlog::session
