#include "tlog/seal/cipher.h"

#include <openssl/evp.h>
#include <sodium.h>

#include <memory>

#include "tlog/base/assert.h"
#include "tlog/seal/sodium.h"
#include "tlog/seal/uchar.h"

namespace tlog::seal {
namespace {

constexpr int kGcmNonceBytes = 12;
constexpr int kGcmTagBytes = 16;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const {
    EVP_CIPHER_CTX_free(context);
  }  // wipes the key schedule
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

std::size_t total_size(std::span<const ConstByteSpan> pieces) {
  std::size_t total = 0;
  for (ConstByteSpan piece : pieces) total += piece.size();
  return total;
}

void gather(std::span<const ConstByteSpan> pieces, ByteSpan into) {
  for (ConstByteSpan piece : pieces) {
    if (!piece.empty()) std::memcpy(into.data(), piece.data(), piece.size());
    into = into.subspan(piece.size());
  }
}

// OpenSSL fails only when it has no memory or no AES: not what the bytes are about.
Error openssl_error() {
  return {Code::kUnavailable, "cipher: AES-256-GCM: OpenSSL refuses it"};
}

// Runs the pieces through: straight from where they lie to where they belong, no copy in between.
bool run(EVP_CIPHER_CTX* context, bool encrypting, const CipherInput& input,
         std::span<const ConstByteSpan> pieces, ByteSpan into) {
  int length = 0;
  if (EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nullptr, uchar(input.key.data()),
                        uchar(input.nonce.data()), encrypting ? 1 : 0) != 1) {
    return false;
  }
  if (EVP_CipherUpdate(context, nullptr, &length, uchar(input.associated.data()),
                       static_cast<int>(input.associated.size())) != 1) {
    return false;
  }
  for (ConstByteSpan piece : pieces) {
    if (piece.empty()) continue;
    if (EVP_CipherUpdate(context, uchar(into.data()), &length, uchar(piece.data()),
                         static_cast<int>(piece.size())) != 1) {
      return false;
    }
    into = into.subspan(piece.size());
  }
  return true;
}

Status encrypt_aes(const CipherInput& input, std::span<const ConstByteSpan> pieces, ByteSpan into,
                   std::span<std::byte, 16> tag) {
  static_assert(kGcmNonceBytes <= 24);
  Context context(EVP_CIPHER_CTX_new());
  int length = 0;
  if (!context || !run(context.get(), true, input, pieces, into) ||
      EVP_CipherFinal_ex(context.get(), uchar(tag.data()), &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kGcmTagBytes, tag.data()) != 1) {
    return fail(openssl_error());
  }
  return {};
}

// True when the tag is right; kUnavailable when OpenSSL cannot do it at all.
Result<bool> decrypt_aes(const CipherInput& input, std::span<const ConstByteSpan> pieces,
                         ByteSpan into, std::span<const std::byte, 16> tag) {
  Context context(EVP_CIPHER_CTX_new());
  std::array<std::byte, 16> expected;
  std::memcpy(expected.data(), tag.data(), tag.size());
  if (!context || !run(context.get(), false, input, pieces, into) ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kGcmTagBytes, expected.data()) !=
          1) {
    return fail(openssl_error());
  }
  int length = 0;
  std::array<unsigned char, 16> rest;  // GCM leaves nothing for the end, but the call wants a place
  return EVP_CipherFinal_ex(context.get(), rest.data(), &length) == 1;
}

void encrypt_xchacha(const CipherInput& input, ByteSpan bytes, std::span<std::byte, 16> tag) {
  crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
      uchar(bytes.data()), uchar(tag.data()), nullptr, uchar(bytes.data()), bytes.size(),
      uchar(input.associated.data()), input.associated.size(), nullptr, uchar(input.nonce.data()),
      uchar(input.key.data()));
}

bool decrypt_xchacha(const CipherInput& input, ByteSpan bytes, std::span<const std::byte, 16> tag) {
  return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
             uchar(bytes.data()), nullptr, uchar(bytes.data()), bytes.size(), uchar(tag.data()),
             uchar(input.associated.data()), input.associated.size(), uchar(input.nonce.data()),
             uchar(input.key.data())) == 0;
}

}  // namespace

bool cipher_available(Cipher cipher) {
  return cipher == Cipher::kAes256Gcm || cipher == Cipher::kXChaCha20Poly1305;
}

Cipher best_cipher() {
  return sodium_ready() && crypto_aead_aes256gcm_is_available() == 1 ? Cipher::kAes256Gcm
                                                                     : Cipher::kXChaCha20Poly1305;
}

std::string_view cipher_name(Cipher cipher) {
  switch (cipher) {
    case Cipher::kAes256Gcm:
      return "AES-256-GCM";
    case Cipher::kXChaCha20Poly1305:
      return "XChaCha20-Poly1305";
  }
  return "unknown";
}

Status encrypt(const CipherInput& input, std::span<const ConstByteSpan> pieces, ByteSpan into,
               std::span<std::byte, 16> tag) {
  TLOG_ASSERT(sodium_ready() && total_size(pieces) == into.size());
  if (input.cipher == Cipher::kAes256Gcm) return encrypt_aes(input, pieces, into, tag);
  gather(pieces, into);
  encrypt_xchacha(input, into, tag);
  return {};
}

Status decrypt(const CipherInput& input, std::span<const ConstByteSpan> pieces, ByteSpan into,
               std::span<const std::byte, 16> tag) {
  TLOG_ASSERT(sodium_ready() && total_size(pieces) == into.size());
  bool right = false;
  if (input.cipher == Cipher::kAes256Gcm) {
    TLOG_ASSIGN(right, decrypt_aes(input, pieces, into, tag));
  } else {
    gather(pieces, into);
    right = decrypt_xchacha(input, into, tag);
  }
  if (right) return {};
  // Nobody shall use what is not authentic, not even by mistake.
  if (!into.empty()) std::memset(into.data(), 0, into.size());
  return fail(Code::kCorruption,
              "authentication failed: the bytes are damaged or are not what was asked for");
}

}  // namespace tlog::seal
