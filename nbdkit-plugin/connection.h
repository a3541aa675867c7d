// File: nbdkit-plugin/connection.h
// Connection: what nbdkit holds for one client: the shared Vdisk, and whether this client may
// write. Translates requests and flags between nbdkit and the engine; adds no state and no lock, so
// that what is true of the Vdisk (one journal and one extent map for all) is true of every
// connection: that is what multi-conn promises. Threading: any thread, as the Vdisk. Durability and
// errors: as the Vdisk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tlog/session/vdisk.h"

struct nbdkit_extents;

namespace tlog::plugin {

struct BlockSize {
  std::uint32_t minimum = 1;  // a log needs no read-modify-write: any alignment is served
  std::uint32_t preferred = 4096;
  std::uint32_t maximum = 32 * 1024 * 1024;
};

class Connection {
 public:
  Connection(std::shared_ptr<session::Vdisk> vdisk, bool read_only, std::string description);

  std::uint64_t size() const { return vdisk_->size(); }
  bool can_write() const { return !read_only_; }
  const std::string& description() const { return description_; }
  BlockSize block_size() const;

  Status read(void* into, std::uint32_t count, std::uint64_t offset);
  Status write(const void* from, std::uint32_t count, std::uint64_t offset, std::uint32_t flags);
  Status flush();
  Status trim(std::uint32_t count, std::uint64_t offset, std::uint32_t flags);
  Status zero(std::uint32_t count, std::uint64_t offset, std::uint32_t flags);
  Status extents(std::uint32_t count, std::uint64_t offset, std::uint32_t flags,
                 nbdkit_extents* into);
  // Reads the range so that the host has it in its page cache.
  Status prefetch(std::uint32_t count, std::uint64_t offset);

 private:
  Status first_extent(std::uint64_t offset, std::uint64_t end, nbdkit_extents* into);

  const std::shared_ptr<session::Vdisk> vdisk_;
  const bool read_only_;
  const std::string description_;
};

}  // namespace tlog::plugin
