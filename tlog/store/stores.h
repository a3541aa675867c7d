// File: tlog/store/stores.h
// Makes the stores of a cluster for one vdisk, each a failure domain, in the cluster's configured order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tlog/store/store.h"

namespace tlog::store {

struct SegmentStoreOptions {
  std::string directory;               // of this failure domain; the vdisk's files are in a folder below it
  std::string vdisk;
  std::uint64_t segment_bytes = 256 * kMiB;
  std::uint64_t gather_bytes = 8 * kMiB;      // not urgent puts are synced at the latest after this many bytes
  std::uint64_t gather_ns = 100'000'000;      // or this long
  bool read_only = false;              // tools: no lock, no change, may run beside the writer
  std::uint64_t retry_min_ns = 100'000'000;   // after a failed write puts fail at once for so long, doubling
  std::uint64_t retry_max_ns = 5'000'000'000;
  std::uint64_t index_cache_bytes = 4 * kMiB;  // indexes of sealed segments kept in memory
};
// Opens (creates, unless read_only) the folder, locks it against a second writer, recovers a torn end. Blocks.
// A read-only store sees what was there at opening and, after a miss, looks again for newer values; where there is no
// folder its opening fails with kNotFound. Removed and overwritten values keep their room on the disk.
Result<std::unique_ptr<Store>> open_segment_store(const SegmentStoreOptions& options, io::FileSystem& files,
                                                  io::Loop& loop, Logger& logger);

struct RespStoreOptions {
  std::string address;  // "host:port" or "unix:/path"
  std::string db;       // "" or a number (any word for ardb)
  std::string password; // "" for none
  std::string vdisk;    // whose shards it keeps; "": nobody asks who the server is
  std::uint64_t connect_timeout_ns = 2'000'000'000;
  std::uint64_t request_timeout_ns = 2'000'000'000;
  std::uint64_t backoff_min_ns = 50'000'000;
  std::uint64_t backoff_max_ns = 5'000'000'000;
  // When more is queued the server is too slow: the put fails with kUnavailable and the connection is closed.
  std::uint64_t queued_bytes_max = 64 * kMiB;
};
// How a server is called: "redis 127.0.0.1:6379@0".
std::string name_of(const RespStoreOptions& options);
// Connects in the background and for ever, with back-off and jitter; requests wait for the connection up to their
// deadline, then fail with kTimeout or kUnavailable. A server that must not hold shards (it may evict keys, is a
// replica or a node of a cluster, ardb on lmdb) is refused: every request fails with kInvalidArgument and the remedy,
// until it is put right. With `vdisk` the store has an identity(), and scan() leaves out its own key for it.
Result<std::unique_ptr<Store>> open_resp_store(const RespStoreOptions& options, io::Loop& loop, Logger& logger);

// Keeps values in memory for its lifetime. Tests give `contents` (memory_store.h) to open a store again with the same
// values, or to make it fail.
class MemoryStoreContents;
std::unique_ptr<Store> make_memory_store(std::string name, io::Loop& loop,
                                         std::shared_ptr<MemoryStoreContents> contents = nullptr);

// Those of one cluster, in its order.
using Stores = std::vector<std::unique_ptr<Store>>;
void close_stores(Stores& stores);  // waits for all; not on the loop's thread
std::vector<Store*> borrow(const Stores& stores);

}  // namespace tlog::store
