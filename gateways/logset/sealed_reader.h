// SealedReader: the sealed bytes of a log's aggregations from its stores, without the key.
//
// Stores that are away are asked last and not waited for when others suffice.
// Threading: any thread but the stores' loop's. Errors: kUnavailable when stores that
// did not answer may have what is missing; kCorruption when not.
#pragma once

#include <chrono>
#include <functional>
#include <span>

#include "tlog/walk/log_place.h"

namespace tlog::logset {

struct SealedFound {
  shard::Identity identity;
  std::uint64_t length = 0;  // of the sealed bytes
};

class SealedReader {
 public:
  SealedReader(const format::Metadata& metadata, std::vector<store::Store*> stores)
      : metadata_(metadata), place_(metadata.format, std::move(stores)) {}

  // Of one that is known to be committed, from one shard.
  Result<SealedFound> look(AggregationNumber number) const;
  // Of one that may not be: nothing, unless as many stores have it as make it committed.
  Result<std::optional<SealedFound>> look_for_committed(AggregationNumber number) const;
  // The bytes, with room behind them for the frame's padding.
  Result<Buffer> read(AggregationNumber number, const SealedFound& expected) const;

 private:
  struct Shards;
  using Enough = std::function<bool(const std::vector<std::optional<Result<Buffer>>>&)>;
  std::vector<unsigned> by_readiness(AggregationNumber number) const;
  Shards get(AggregationNumber number, std::span<const unsigned> indices, const Enough& enough,
             std::chrono::nanoseconds timeout) const;

  const format::Metadata metadata_;
  const walk::LogPlace place_;
};

}  // namespace tlog::logset
