// File: tlog/seal/sealer.h
// Seals aggregations: hashes the records (several at a time), links to the aggregation before,
// encrypts and authenticates. Step 4 of a write's way; the inverse for the four readers of the log.
//
// Sealed bytes: clear header {magic, version, cipher id, key id, 32-byte salt, plaintext length,
// CRC}, ciphertext, tag. The header together with vdisk, epoch and number is the associated data. A
// subkey per aggregation is derived from the master key and the salt, so no nonce is ever used
// twice, also after a crash, a rollback or a cloned machine. The salt is a keyed hash of fresh
// random bytes and the aggregation's hash: even a machine whose random bytes repeat (a snapshot
// resumed twice) never seals two different aggregations under one subkey. The aggregation's own
// hash is keyed BLAKE2b-256 over the header fields, the records' fields and hashes, and `prev`: the
// payload is hashed once, per record.
//
// Threading: const calls from any thread at once.
// Errors: open(): kWrongKey (another key id), kCorruption (authentication, grammar, record hash:
// says which).
#pragma once

#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/random.h"
#include "tlog/format/aggregation.h"
#include "tlog/format/metadata.h"
#include "tlog/seal/hash.h"
#include "tlog/seal/key.h"

namespace tlog::seal {

enum class Cipher : std::uint8_t { kAes256Gcm = 1, kXChaCha20Poly1305 = 2 };

struct Sealed {
  // `length` sealed bytes, then the zeroed tail room asked for (bytes.size() is their sum): the
  // shard coder's data shards are slices of this buffer.
  Buffer bytes;
  std::size_t length = 0;
  Hash256 hash;  // of the aggregation: the next one's `prev`
};

// Whether the records' hashes are to be computed, or have been verified by whoever got them.
enum class RecordHashes { kUnknown, kKnown };

struct Opened {
  Buffer plaintext;
  format::Aggregation aggregation;  // points into plaintext
  Hash256 hash;
};

// What the caller knows of the aggregation it asked for; a mismatch is kCorruption naming both.
struct Expected {
  Uuid vdisk;
  Epoch epoch = 0;
  AggregationNumber number = 0;
};

class Sealer {
 public:
  // The key must outlive the sealer. `cipher`: the best for this CPU when not given; `lanes`
  // decides only the speed.
  Sealer(const MasterKey& key, Random& random);
  Sealer(const MasterKey& key, Random& random, Cipher cipher, HashLanes lanes = HashLanes::kBest);

  // Fills the records' hashes unless they are known. `tail_room`: bytes of zeroed capacity wanted
  // behind the sealed bytes.
  Result<Sealed> seal(format::Aggregation& aggregation, std::size_t tail_room,
                      RecordHashes hashes = RecordHashes::kUnknown) const;
  // `pieces`, one after the other, are the sealed bytes (data shards as they came). Verifies key
  // id, authentication, grammar, `expected`, and every record's hash.
  Result<Opened> open(std::span<const ConstByteSpan> pieces, const Expected& expected) const;

  // The same sealing for small things stored whole (index pages); `context` separates purposes and
  // is authenticated.
  Result<Buffer> seal_blob(ConstByteSpan plaintext, std::string_view context) const;
  Result<Buffer> open_blob(ConstByteSpan sealed, std::string_view context) const;

  const KeyId& key_id() const { return key_.id(); }
  Cipher cipher() const { return cipher_; }

 private:
  const MasterKey& key_;
  Random& random_;
  const Cipher cipher_;
  const HashLanes lanes_;
};

// Both can be read everywhere. best_cipher() is AES where the CPU has instructions for it,
// XChaCha20 elsewhere.
bool cipher_available(Cipher cipher);
Cipher best_cipher();
std::string_view cipher_name(Cipher cipher);

// Length of what seal() makes of it, without the tail room.
std::size_t sealed_bytes(const format::Aggregation& aggregation);

}  // namespace tlog::seal
