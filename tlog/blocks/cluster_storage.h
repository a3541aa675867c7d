// File: tlog/blocks/cluster_storage.h
// A vdisk's blocks spread over redis-protocol servers by block index. Layout and records:
// cluster_layout.h; what is guaranteed against late writers and forgetful servers: block_server.h.
//
// Durability: settle() and flush() answer when the servers have confirmed; what a server does with
// what it has confirmed is its own matter. A server that loses it is noticed at its next answer,
// is not read from, and is refilled from the log (lacking(), refill()).
// Errors: a server that does not answer within its deadline fails the requests that need it, with
// its name and the block's; the others go on. Nothing is buffered here beyond one batch.
#pragma once

#include "tlog/blocks/block_storage.h"
#include "tlog/blocks/cluster_layout.h"
#include "tlog/store/stores.h"

namespace tlog::blocks {

struct ClusterStorageOptions {
  std::string vdisk;
  Uuid uuid{};
  std::uint64_t size = 0;
  std::uint32_t block_size = 4096;
  std::vector<store::RespStoreOptions> servers;  // their order is part of the layout
  bool create = false;    // a new vdisk: records are written, all servers must answer
  Epoch epoch = 0;        // this writer's; a server that has seen a later one is refused
  std::vector<Fork> forks = {};
  Sequence needed = 0;    // all up to it has been confirmed and may be nowhere else but in the log
  Sequence possible = 0;  // nothing after it exists
  // It is brought up to date with follow(), and only then may become the vdisk's active storage. A
  // server that has what is not the vdisk's is refused, or with `discards` emptied; nothing is
  // `needed`.
  bool follows = false;
  bool discards = false;
  std::uint64_t cache_bytes = 32 * kMiB;  // 0: none
  std::uint64_t read_ahead_bytes = 256 * kKiB;
};

// Connects and looks at the servers. One that does not answer in time is tried on in the background
// (not with `create`); one that is another part, or another vdisk's, or whose writer is a later
// epoch, is an error. Blocks; not on the loop's thread.
Result<std::unique_ptr<BlockStorage>> open_cluster_storage(const ClusterStorageOptions& options,
                                                           io::Loop& loop, Logger& logger);

}  // namespace tlog::blocks
