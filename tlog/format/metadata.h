// File: tlog/format/metadata.h
// What is kept per vdisk on every store of its log cluster besides shards: metadata and index
// pages, and their keys.
//
// Store keys: "tlog:<vdisk>:<epoch>:<number as 16 hex digits>" a shard (one per store);
// "tlog:<vdisk>:meta" metadata, on servers "tlog:<vdisk>:meta:<epoch>"; "tlog:<vdisk>:page:<page
// number as 16 hex digits>" an index page. The next shard's key is predictable: the true head of
// the log is found by probing forward from the hint.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/format/aggregation.h"

namespace tlog::format {

// What may never change in a vdisk's life. Persisted in metadata and in the journal's superblock.
struct VdiskFormat {
  Uuid vdisk;
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t block_size = 4096;
  std::uint8_t data_shards = 4;
  std::uint8_t parity_shards = 2;
  friend bool operator==(const VdiskFormat&, const VdiskFormat&) = default;
  // CRC-32C over a canonical encoding: two formats are the same when their fingerprints are, for
  // messages and probes.
  std::uint32_t fingerprint() const;
};

struct EpochEntry {
  Epoch epoch = 0;
  TimestampNs started = 0;
  AggregationNumber first_number = 0;  // number of the first aggregation that this epoch may write
  Sequence first_sequence = 0;
  std::string writer;  // host name and pid, for people
  Uuid journal =
      {};  // of the writer's journal, which alone has what is not stored yet; nil: not known
  // Of this epoch's aggregations: on how many stores each is before it counts. 0: the usual one,
  // min(k+m, k+1).
  std::uint8_t write_quorum = 0;
};

struct AggregationReference {
  AggregationNumber number = 0;
  Epoch epoch = 0;
  Hash256 hash;
  Sequence first_sequence = 0;
  Sequence last_sequence = 0;
  TimestampNs first_timestamp = 0;
  TimestampNs last_timestamp = 0;
};

// A server that keeps the vdisk's shards, in the place of its store. What it is known by, so that
// it is not believed when it was emptied or is another one.
struct ServerEntry {
  Uuid server;               // nil: the store is no server, or has never been used
  Epoch since = 0;           // the epoch in which it was marked
  std::string address = {};  // where it was then, for people
  bool rebuilding = false;   // emptied since, and not all is back that it should have
  friend bool operator==(const ServerEntry&, const ServerEntry&) = default;
};

// Which cluster has the vdisk's active blocks since its last failover. What a writer has applied
// after it is there alone, whatever a configuration names first.
struct BlockPlace {
  std::string cluster = {};    // "": never switched, they are where the configuration says
  std::uint64_t switches = 0;  // so many there have been, this one included
  Epoch epoch = 0;             // of the writer that has switched
  Sequence sequence = 0;       // the cluster had all records up to this one when it took over
  TimestampNs since = 0;
  friend bool operator==(const BlockPlace&, const BlockPlace&) = default;
};

struct Metadata {
  std::uint64_t generation = 0;  // the highest wins at a quorum read
  VdiskFormat format;
  std::vector<EpochEntry> epochs;  // ascending
  std::vector<AggregationReference>
      last;                          // the last (at most 5) aggregations, ascending: the head hint
  std::uint64_t index_pages = 0;     // pages 0 .. index_pages-1 exist
  std::vector<std::uint8_t> key_id;  // which master key seals this log; not secret
  std::vector<ServerEntry> servers;  // in the order of the stores; empty or shorter: not known
  BlockPlace blocks;
  // Which log it is: of one vdisk there may be several, each on stores of its own. Nil: made before
  // they had one, and not written since.
  Uuid log = {};
  // Every aggregation up to it has been on all its stores. What is behind it, and was left without
  // its writer, may lack shards.
  AggregationNumber complete = 0;
};

// Index page p lists the aggregations p*256+1 .. (p+1)*256; stored sealed, see seal/page.h.
struct IndexPage {
  std::uint64_t page = 0;
  std::vector<AggregationReference> entries;
  Hash256 previous_page;  // hash of the page before it; zeros for page 0
};

// Cap'n Proto with magic, version and CRC-32C around. Errors: kCorruption, kNotSupported for a
// newer version.
Buffer encode_metadata(const Metadata& metadata);
Result<Metadata> decode_metadata(ConstByteSpan bytes);
Buffer encode_index_page(const IndexPage& page);
Result<IndexPage> decode_index_page(ConstByteSpan bytes);

std::string shard_key(std::string_view vdisk, Epoch epoch, AggregationNumber number);
std::string metadata_key(std::string_view vdisk);
// On a server, where late puts of earlier writers may arrive, each epoch has its own. Epoch 0: of a
// vdisk that has had no writer yet, the key above.
std::string metadata_key(std::string_view vdisk, Epoch epoch);
std::string index_page_key(std::string_view vdisk, std::uint64_t page);
std::string key_prefix(std::string_view vdisk);  // of all keys of the vdisk: "tlog:<vdisk>:"

// The inverse of shard_key(); nothing for every other key.
struct ShardKey {
  Epoch epoch = 0;
  AggregationNumber number = 0;
  friend bool operator==(const ShardKey&, const ShardKey&) = default;
};
std::optional<ShardKey> parse_shard_key(std::string_view vdisk, std::string_view key);

}  // namespace tlog::format
