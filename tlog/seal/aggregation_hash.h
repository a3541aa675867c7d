// File: tlog/seal/aggregation_hash.h
// The hash that chains aggregations (docs/format.md, "Aggregation hash").
#pragma once

#include "tlog/format/aggregation.h"
#include "tlog/seal/key.h"

namespace tlog::seal {

// Keyed BLAKE2b-256 over the header's and the records' fields and hashes; the payload is in the
// records' hashes.
Hash256 aggregation_hash(const MasterKey& master, const format::Aggregation& aggregation);

}  // namespace tlog::seal
