// File: tlog/seal/header.h
// The clear header of everything sealed (docs/format.md, "Sealed").
#pragma once

#include "tlog/seal/key.h"
#include "tlog/seal/sealer.h"

namespace tlog::seal {

constexpr std::size_t kSealedHeaderBytes = 80;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kSaltBytes = 32;

enum class SealedKind : std::uint8_t { kAggregation = 1, kBlob = 2 };

struct SealedHeader {
  Cipher cipher = Cipher::kAes256Gcm;
  SealedKind kind = SealedKind::kAggregation;
  KeyId key_id;
  std::array<std::byte, kSaltBytes> salt{};
  std::uint64_t plaintext_length = 0;
};

using SealedHeaderBytes = std::array<std::byte, kSealedHeaderBytes>;
SealedHeaderBytes encode_header(const SealedHeader& header);
// kCorruption, kNotSupported for a newer version or an unknown cipher. The header's own checksum is
// what tells another key (kWrongKey, decided by the caller) from a damaged key id.
Result<SealedHeader> decode_header(const SealedHeaderBytes& bytes);

}  // namespace tlog::seal
