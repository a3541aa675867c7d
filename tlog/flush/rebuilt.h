// File: tlog/flush/rebuilt.h
// Is a server that the metadata calls "rebuilding" whole by now? The writer that filled it again
// may have ended before it could record that. It matters when another server is emptied: with the
// record two would be missing, and nobody could use the emptied one again, nor open the vdisk.
// Threading: not from the loop's thread: waits for the store, each answer with a deadline.
#pragma once

#include "tlog/format/metadata.h"
#include "tlog/walk/log_place.h"

namespace tlog::flush {

// True when `store`, which has been enrolled, has every shard up to aggregation `last` that is its.
// False at the first that it lacks or does not answer for.
bool has_every_shard(const walk::LogPlace& place, const format::Metadata& metadata,
                     std::size_t store, AggregationNumber last);

}  // namespace tlog::flush
