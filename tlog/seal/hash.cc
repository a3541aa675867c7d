#include "tlog/seal/hash.h"

#include <sodium.h>

#include "tlog/base/assert.h"
#include "tlog/seal/sodium.h"

namespace tlog::seal {

bool hash_lanes_available(HashLanes lanes) {
  return lanes == HashLanes::kBest || lanes == HashLanes::kPortable;
}

Hash256 hash_one(ConstByteSpan message) {
  TLOG_ASSERT(sodium_ready());
  Hash256 hash;
  crypto_generichash(hash.bytes.data(), hash.bytes.size(),
                     reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                     nullptr, 0);
  return hash;
}

void hash_many(std::span<const ConstByteSpan> messages, std::span<Hash256> outputs,
               HashLanes lanes) {
  TLOG_ASSERT(messages.size() == outputs.size());
  TLOG_ASSERT(hash_lanes_available(lanes));
  for (std::size_t i = 0; i < messages.size(); ++i) outputs[i] = hash_one(messages[i]);
}

}  // namespace tlog::seal
