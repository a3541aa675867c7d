// File: tests/support/unsynced_contents.h
// What one file of ForgetfulFiles held when it was synced last, as far as it has been changed
// since. Threading: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "tests/support/forgetful_files.h"
#include "tlog/base/mutex.h"

namespace tlog::testing {

class UnsyncedContents {
 public:
  static constexpr std::uint64_t kSector = 512;
  static constexpr std::uint64_t kBlock = 4096;

  // Each does the operation on `file` and remembers what it takes to undo it.
  Status write(io::File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces);
  Status resize(io::File& file, std::uint64_t size);
  Status preallocate(io::File& file, std::uint64_t offset, std::uint64_t length);
  Status punch_hole(io::File& file, std::uint64_t offset, std::uint64_t length);
  void synced();

  std::uint64_t unsynced_bytes() const;
  // Undoes what the cut takes; the rest is then what the disk has. `path`: where the file is now.
  void cut(const std::string& path, std::mt19937_64& random, PowerCut mode);

 private:
  Status remember(io::File& file, std::uint64_t offset, std::uint64_t length) REQUIRES(mutex_);
  Status remember_size(io::File& file) REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::map<std::uint64_t, std::array<std::byte, kSector>> old_sectors_
      GUARDED_BY(mutex_);                                     // by index
  std::optional<std::uint64_t> old_size_ GUARDED_BY(mutex_);  // when it has changed
};

}  // namespace tlog::testing
