// File: tlog/seal/cipher.h
// The two authenticated ciphers behind one call each: AES-256-GCM by OpenSSL, XChaCha20-Poly1305 by
// libsodium. Threading: pure.
#pragma once

#include "tlog/seal/sealer.h"

namespace tlog::seal {

struct CipherInput {
  Cipher cipher = Cipher::kAes256Gcm;
  std::span<const std::byte, 32> key;
  std::span<const std::byte, 24> nonce;  // AES-256-GCM uses the first 12 bytes
  ConstByteSpan associated;
};

// Encrypts the pieces, one after the other, into `into`, which is as long as they are and does not
// overlap them.
Status encrypt(const CipherInput& input, std::span<const ConstByteSpan> pieces, ByteSpan into,
               std::span<std::byte, 16> tag);
// The inverse. kCorruption when the tag is wrong; `into` is then zeroed.
Status decrypt(const CipherInput& input, std::span<const ConstByteSpan> pieces, ByteSpan into,
               std::span<const std::byte, 16> tag);

}  // namespace tlog::seal
