// File: tlog/seal/key.h
// The master key of a log, in memory that is locked, guarded and wiped (libsodium). It is in no log
// line, no store, no argument list. Key file: one line "tlogdisk-key-1:" and 64 hex digits, mode
// 0600 or stricter, made by `tlogctl keygen`. The key id (16 bytes derived from the key, not
// secret) is stored with what the key seals, so that "another key" can be told from "corrupt".
// Threading: const calls from any thread.
#pragma once

#include <memory>
#include <string>

#include "tlog/base/random.h"
#include "tlog/base/types.h"
#include "tlog/io/file.h"

namespace tlog::seal {

struct KeyId {
  std::array<std::uint8_t, 16> bytes{};
  friend bool operator==(const KeyId&, const KeyId&) = default;
  std::string hex() const;
};

class MasterKey {
 public:
  ~MasterKey();
  MasterKey(MasterKey&&) noexcept;
  MasterKey& operator=(MasterKey&&) noexcept;

  static Result<MasterKey> generate(Random& random);
  // As another process hands it over; whoever has the bytes wipes them.
  static Result<MasterKey> from_bytes(std::span<const std::byte, 32> bytes);
  void copy_to(std::span<std::byte, 32> into) const;  // to hand it over; wiped by the caller
  // Refuses, with the remedy: absent, readable by others, malformed.
  static Result<MasterKey> load(io::FileSystem& files, const std::string& path);
  // Writes the key file with mode 0600; refuses to overwrite.
  Status save(io::FileSystem& files, const std::string& path) const;

  const KeyId& id() const;
  // A subkey for one purpose: keyed BLAKE2b-256 of (context, salt).
  void derive(std::string_view context, ConstByteSpan salt, std::span<std::byte, 32> into) const;

 private:
  struct Secret;
  explicit MasterKey(std::unique_ptr<Secret> secret);
  std::unique_ptr<Secret> secret_;
};

}  // namespace tlog::seal
