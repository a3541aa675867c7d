#include "tlog/seal/sodium.h"

#include <sodium.h>

#include <new>

#include "tlog/base/assert.h"
#include "tlog/seal/uchar.h"

namespace tlog::seal {
bool sodium_ready() {
  static const bool ready = sodium_init() >= 0;
  return ready;
}

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  TLOG_ASSERT(sodium_ready());
  memory_.reset(static_cast<std::byte*>(sodium_malloc(size)));
  if (!memory_) throw std::bad_alloc();
  sodium_memzero(memory_.get(), size);
}

void SecretBytes::make_read_only() {
  sodium_mprotect_readonly(memory_.get());
}

void SecretBytes::Free::operator()(std::byte* memory) const {
  sodium_free(memory);
}

Blake2b::Blake2b(ConstByteSpan key) {
  static_assert(sizeof(crypto_generichash_state) <= sizeof state_);
  TLOG_ASSERT(sodium_ready());
  TLOG_ASSERT(key.empty() || key.size() == 32);
  auto* state = reinterpret_cast<crypto_generichash_state*>(state_.data());
  TLOG_ASSERT(crypto_generichash_init(state, key.empty() ? nullptr : uchar(key.data()), key.size(),
                                      32) == 0);
}

Blake2b::~Blake2b() {
  sodium_memzero(state_.data(), sizeof(crypto_generichash_state));
}

void Blake2b::add(ConstByteSpan bytes) {
  if (bytes.empty()) return;
  crypto_generichash_update(reinterpret_cast<crypto_generichash_state*>(state_.data()),
                            uchar(bytes.data()), bytes.size());
}

void Blake2b::finish(std::span<std::byte, 32> into) {
  crypto_generichash_final(reinterpret_cast<crypto_generichash_state*>(state_.data()),
                           uchar(into.data()), 32);
}

}  // namespace tlog::seal
