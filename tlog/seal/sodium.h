// File: tlog/seal/sodium.h
// libsodium's memory and keyed hash for the .cc files of this folder; no libsodium type is shown.
// Threading: any thread.
#pragma once

#include <memory>

#include "tlog/base/types.h"
#include "tlog/base/wipe.h"

namespace tlog::seal {

// Initialises libsodium once. False when it cannot be (no source of randomness).
bool sodium_ready();

// Memory for secrets: guarded by unreadable pages, locked where the limits allow it, wiped when
// freed.
class SecretBytes {
 public:
  explicit SecretBytes(std::size_t size);  // zeroed
  std::byte* data() const { return memory_.get(); }
  ByteSpan span() const { return {memory_.get(), size_}; }
  void make_read_only();

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t size_;
};

// Secrets on the stack: wiped at the end of the scope.
template <std::size_t N>
struct StackSecret {
  std::array<std::byte, N> bytes{};
  StackSecret() = default;
  StackSecret(const StackSecret&) = delete;
  StackSecret& operator=(const StackSecret&) = delete;
  ~StackSecret();
};
template <std::size_t N>
StackSecret<N>::~StackSecret() {
  wipe(bytes);
}

// BLAKE2b-256, keyed (a key of 32 bytes) or not (an empty key), fed in pieces.
class Blake2b {
 public:
  explicit Blake2b(ConstByteSpan key = {});
  Blake2b(const Blake2b&) = delete;
  Blake2b& operator=(const Blake2b&) = delete;
  ~Blake2b();  // wipes the state: it holds the key
  void add(ConstByteSpan bytes);
  void add_u64(std::uint64_t value) { add(bytes_of(value)); }
  void finish(std::span<std::byte, 32> into);

 private:
  alignas(64) std::array<std::byte, 384> state_;
};

}  // namespace tlog::seal
