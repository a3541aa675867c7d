// File: tlog/blocks/cluster_reader.h
// ClusterReader: blocks from the cache, or from their servers, all servers at once; a reader that
// goes on where it ended gets the blocks behind fetched along with its own. Threading: any thread,
// not the loop's; it waits.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "tlog/blocks/block_cache.h"
#include "tlog/blocks/block_server.h"

namespace tlog::blocks {

using Servers = std::vector<std::shared_ptr<BlockServer>>;

class ClusterReader {
 public:
  ClusterReader(const ClusterLayout& layout, const Servers& servers, BlockCache& cache,
                std::uint64_t read_ahead_bytes)
      : layout_(layout),
        servers_(servers),
        cache_(cache),
        read_ahead_blocks_(cache.enabled() ? read_ahead_bytes / layout.block_size : 0) {}

  Status read(std::uint64_t offset, ByteSpan into);
  // Whole blocks, one after the other, past the cache. `must_be_current` false: also from a server
  // that lacks something, for its refilling.
  Status fetch(const std::vector<std::uint64_t>& indexes, ByteSpan into, bool must_be_current);

 private:
  struct Wanted {
    std::uint64_t index = 0;
    BlockCache::Ticket ticket = 0;
    bool ahead = false;  // nobody waits for it
  };
  // Where a sequential reader will go on.
  struct Stream {
    std::uint64_t next = ~std::uint64_t{0};
    std::uint64_t used_at = 0;
  };
  using Take = std::function<Status(std::size_t which, ConstByteSpan block)>;

  Error error_of(std::uint64_t index, const Error& reason) const;
  bool goes_on(std::uint64_t first, std::uint64_t next);
  void add_ahead(std::uint64_t next, std::vector<Wanted>& wanted);
  Status ask(const std::vector<Wanted>& wanted, bool must_be_current, const Take& take);

  const ClusterLayout& layout_;
  const Servers& servers_;
  BlockCache& cache_;
  const std::uint64_t read_ahead_blocks_;

  Mutex mutex_;
  std::array<Stream, 8> streams_ GUARDED_BY(mutex_);
  std::uint64_t reads_ GUARDED_BY(mutex_) = 0;
};

// Waits for a number of callbacks. They must be certain to come.
class Countdown {
 public:
  explicit Countdown(std::size_t count) : left_(count) {}
  void arrive() {
    MutexLock lock(mutex_);
    if (--left_ == 0) done_.notify_all();
  }
  void wait() {
    MutexLock lock(mutex_);
    while (left_ != 0) done_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar done_;
  std::size_t left_ GUARDED_BY(mutex_);
};

}  // namespace tlog::blocks
