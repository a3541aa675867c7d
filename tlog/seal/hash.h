// File: tlog/seal/hash.h
// BLAKE2b-256 (RFC 7693) of many messages at once: 8 lanes with AVX-512, 4 with AVX2, one with
// libsodium, chosen at run time; all give the same bytes. Hashing is the pipeline's dearest step,
// so the interface takes batches. Threading: pure.
#pragma once

#include "tlog/base/types.h"

namespace tlog::seal {

enum class HashLanes { kBest, kPortable, kAvx2, kAvx512 };

bool hash_lanes_available(HashLanes lanes);
// outputs[i] = BLAKE2b-256(messages[i]); any mix of lengths, fastest when neighbours have the same
// length.
void hash_many(std::span<const ConstByteSpan> messages, std::span<Hash256> outputs,
               HashLanes lanes = HashLanes::kBest);
Hash256 hash_one(ConstByteSpan message);

}  // namespace tlog::seal
