// File: slave-sync/journal_source.h
// What has just been stored, from where it still lies: the writer's journal, mostly its arena. So a
// standby that keeps up costs the log's stores nothing, and nobody decrypts what was just sealed.
// Nothing is held back for it: the bytes are copied, and what the journal has let go is read from
// the log. Threading: one thread, not under the session's lock.
#pragma once

#include "slave-sync/followed.h"
#include "tlog/session/core.h"

namespace tlog::standby {

// The records after `after` up to the end of a stored aggregation, about so many bytes. Nothing:
// the journal does not have all of them any more. Errors: its bytes are wrong.
Result<std::optional<Fresh>> take_fresh(session::Core& core, Sequence after,
                                        std::uint64_t bytes_wanted);

}  // namespace tlog::standby
