// File: tlog/blocks/block_storage.h
// BlockStorage: a vdisk's current contents behind the overlay, without the log. Step 7 of a write's way.
//
// Threading: any thread. The caller (tlog/session) sees to it that writes to one range do not overlap in time.
// Durability: nothing before flush() has returned success; after a failed flush nothing may be assumed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tlog/base/types.h"
#include "tlog/io/file.h"

namespace tlog::blocks {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool hole = false;  // not allocated, reads as zeros
};

class BlockStorage {
 public:
  virtual ~BlockStorage() = default;
  virtual Status read(std::uint64_t offset, ByteSpan into) = 0;
  virtual Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) = 0;
  virtual Status discard(std::uint64_t offset, std::uint64_t length) = 0;  // becomes a hole, reads as zeros
  virtual Status zero(std::uint64_t offset, std::uint64_t length) = 0;     // reads as zeros
  virtual Status flush() = 0;
  // Extents that cover [offset, offset + length), ascending, without gaps.
  virtual Result<std::vector<Extent>> extents(std::uint64_t offset, std::uint64_t length) = 0;
  virtual std::uint64_t size() const = 0;
  virtual const std::string& name() const = 0;
};

struct FileStorageOptions {
  std::string path;
  std::uint64_t size = 0;
  Uuid vdisk{};          // kept with the file (extended attribute) where possible; another vdisk's file is refused
  bool create = false;   // a new vdisk: the file must not exist with contents; otherwise it must exist
  bool read_only = false;
};
// A sparse file, locked against a second process; discard punches holes.
Result<std::unique_ptr<BlockStorage>> open_file_storage(const FileStorageOptions& options, io::FileSystem& files);

}  // namespace tlog::blocks
