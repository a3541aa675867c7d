// File: player/scan_chain.h
// Finds the chain among the aggregations that a scan has found. The metadata would say which epoch
// wrote which number; without it the chain itself says so: each aggregation names the hash of the
// one before. From the newest aggregation of the newest epoch it is followed backwards, and where
// more than one aggregation has a number (what a fenced writer still stored, what a crashed one
// left unfinished) the one that is named is taken, the others are superseded.
//
// Only what must be known for this is opened: the newest aggregation, the first of each epoch, and
// forks. The rest is left to the reader, which checks the whole chain while it walks. Where the
// chain is torn, the numbers on both sides are kept and the gap is told, so that the reader stops
// there with an error.
//
// Threading: one thread, not the loop's. Memory: 32 bytes an aggregation. Errors: kWrongKey,
// kUnavailable (the pile does not answer), kCorruption when nothing can be opened.
#pragma once

#include "player/found_store.h"
#include "tlog/io/workers.h"
#include "tlog/seal/sealer.h"
#include "tlog/walk/log_reader.h"

namespace tlog::player {

// Numbers of which nothing usable was found although others behind them were.
struct ChainGap {
  AggregationNumber first = 0;
  AggregationNumber last = 0;
  Sequence next_sequence = 0;  // the first one behind it; 0: not known
};

// Shards behind the chain's end of an aggregation that may have been stored, but cannot be read.
struct ChainTail {
  AggregationNumber number = 0;
  Epoch epoch = 0;
  unsigned shards = 0;
  std::string why;
};

struct ScanChain {
  std::vector<Candidate> chosen;           // ascending
  std::vector<format::EpochEntry> epochs;  // ascending
  format::AggregationReference tip;        // the last of `chosen`
  std::vector<ChainGap> gaps;              // ascending
  std::optional<ChainTail> tail;
  std::uint64_t superseded = 0;  // aggregations that are not on the chain
  std::uint64_t unfinished = 0;  // behind it, and never stored to the end
};

using LostShards = std::map<std::pair<AggregationNumber, Epoch>, unsigned>;

struct ScanChainParts {  // borrowed
  const ShardIndex* index = nullptr;
  FoundStoreParts found;
  const seal::Sealer* sealer = nullptr;
  io::Workers* workers = nullptr;
  // Shards that are not intact or could not be read: they too were stored once.
  LostShards lost;
};

Result<ScanChain> find_chain(const ScanChainParts& parts);

}  // namespace tlog::player
