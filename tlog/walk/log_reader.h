// File: tlog/walk/log_reader.h
// The one log walker. Recovery at open, tlogplay and the standby's catch-up read the log through it
// and through nothing else: one decoder, one verifier, one place that knows the chain.
//
// open() reads the metadata (the newest generation that at least one store holds intact), checks
// the key id, and finds the true head by probing shard keys forward from the hint. walk() visits
// aggregations in order; each is read from its stores (k data shards first, others when one is
// missing or wrong), each shard verified, decoded, opened and checked against the chain: `prev`,
// the next number, dense sequences, epochs that never go back.
//
// Threading: one thread at a time per LogReader, neither the loop's nor one of `workers`, on which
// it reads ahead. Errors: kNotFound no such vdisk in these stores; kWrongKey; kCorruption with the
// exact position (number, sequence) and what is wrong; kUnavailable when stores that are not
// reachable might hold what is missing (never "the end").
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "tlog/base/log.h"
#include "tlog/format/metadata.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/shard/shard.h"
#include "tlog/store/store.h"

namespace tlog::walk {

struct BadShard;  // walk/fetch.h

struct LogHead {
  AggregationNumber number = 0;  // the newest stored aggregation, 0: the log is empty
  Epoch epoch = 0;
  Sequence sequence = 0;
  Hash256 hash;
  TimestampNs timestamp = 0;  // of its newest record
  // Known to be committed. What is behind it was found by probing: it can be read, but perhaps only
  // just.
  AggregationNumber committed = 0;
};

struct WalkOptions {
  AggregationNumber first = 1;
  AggregationNumber last =
      ~AggregationNumber{0};  // inclusive; ends at the head if that comes first
  unsigned read_ahead = 8;    // aggregations in flight; bounds the memory
};

// One aggregation, opened and verified. Valid during the visit only, unless moved from.
struct Visited {
  seal::Opened opened;
  std::uint64_t stored_bytes = 0;  // shard bytes read for it
  unsigned shards_bad = 0;         // wrong or missing shards that had to be worked around
};
// Return false to stop the walk early (which is not an error).
using Visitor = std::function<Result<bool>(Visited&)>;

class LogReader {
 public:
  // Everything is borrowed and must outlive the reader.
  struct Parts {
    std::string vdisk;
    std::vector<store::Store*> stores;  // in the cluster's order
    const seal::Sealer* sealer = nullptr;
    io::Workers* workers = nullptr;
    Logger* logger = nullptr;
    // For who takes the vdisk over. Per store: an earlier writer may still put there, so that what
    // it calls absent proves nothing. Empty: who reads has closed none, and a writer may be at it.
    std::vector<bool> not_fenced = {};
    // An undecided end of the log is cut off.
    bool accept_loss = false;
    // The stores are those of the vdisk's writer, which tells them itself which servers to expect:
    // what is read here may be a generation behind, and would set that back.
    bool beside_writer = false;
    // Optional: shards that stores lack or have wrong, of an aggregation that could be read all the
    // same, for who can mend them. On the reader's thread.
    std::function<void(AggregationNumber, const std::vector<BadShard>&)> found_bad = {};
    // Optional, any thread: once it is true every call ends with kShutdown as soon as what it waits
    // for has answered, before it asks the stores for anything else.
    std::function<bool()> stopping = {};
  };
  static Result<std::unique_ptr<LogReader>> open(Parts parts);
  virtual ~LogReader() = default;

  // As stored, with `last` brought up to the true head: what LogWriter::open() wants.
  virtual const format::Metadata& metadata() const = 0;
  virtual const LogHead& head() const = 0;
  // Why the log goes on behind the head, but cannot be read there: null in a sound log. A walk to
  // the end ends with it.
  virtual const Error* damage() const = 0;
  virtual Status refresh_head() = 0;  // probes forward again: the writer may have gone on

  // The same without asking anybody, for who reads beside the writer and is told by it: this is
  // committed, and so is all before it.
  virtual void advance_head(const format::AggregationReference& newest) = 0;

  virtual Status walk(const WalkOptions& options, const Visitor& visitor) = 0;

  // The aggregation that holds a sequence, or the last one whose records all are at or before a
  // time: by index pages, then by walking the rest. kNotFound outside of the log's range.
  virtual Result<AggregationNumber> find_sequence(Sequence sequence) = 0;
  virtual Result<AggregationNumber> find_time(TimestampNs time) = 0;
};

// The newest intact metadata of a vdisk among the stores. kNotFound only when so many stores
// answered "absent" that no quorum can have it; kCorruption when it is absent though other keys of
// the vdisk are there (it was wiped); kUnavailable when too few stores answer to know the newest
// generation.
struct MetadataFound {
  format::Metadata metadata;
  unsigned copies = 0;
};
Result<MetadataFound> read_metadata(const std::string& vdisk,
                                    std::span<store::Store* const> stores);

// kWrongKey, naming both, when the log is sealed with another key than this one.
Status check_key(const format::Metadata& metadata, const seal::Sealer& sealer);

// Tells the stores which servers the vdisk knows in their places: from then on no wiped or other
// server's "absent" is believed. LogReader::open() does it, except beside the writer.
void expect_servers(const format::Metadata& metadata, std::span<store::Store* const> stores);

// The store that keeps shard `index` of aggregation `number`: rotates, so that no store keeps only
// parity.
inline std::size_t store_of(AggregationNumber number, unsigned index, std::size_t stores) {
  return static_cast<std::size_t>((number + index) % stores);
}

}  // namespace tlog::walk
