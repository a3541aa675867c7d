// File: tests/support/aggregation_maker.h
// AggregationMaker: sealed aggregations of random writes as a writer would make them, and what is
// to be found again of each. Threading: one thread.
#pragma once

#include <string>
#include <vector>

#include "tests/support/log_samples.h"
#include "tlog/seal/sealer.h"
#include "tlog/shard/shard.h"

namespace tlog::testing {

// What was appended.
struct Appended {
  struct Change {
    Operation operation = Operation::kWrite;
    std::uint64_t offset = 0;
    std::string bytes;  // zeros for an operation that has none
  };
  format::AggregationReference reference;
  std::vector<Hash256> record_hashes;
  Hash256 prev = {};
  std::vector<Change> changes = {};  // of the disk, by each record
};

class AggregationMaker {
 public:
  AggregationMaker(format::VdiskFormat format, const seal::Sealer& sealer, std::uint64_t seed,
                   std::size_t record_bytes_max)
      : format_(std::move(format)),
        sealer_(sealer),
        random_(seed),
        record_bytes_max_(record_bytes_max) {}

  // The k+m shards of an aggregation that links to `prev`.
  shard::ShardSet make(Epoch epoch, AggregationNumber number, Sequence first, const Hash256& prev,
                       Appended& made);

  // So many of a hundred records are zeros or discards instead of writes.
  void mix_zeros(unsigned percent) { zeros_percent_ = percent; }

  // Times go on behind those of another one that made the same log.
  void go_on_after(const AggregationMaker& other) { time_ = other.time_; }

  // What is wrong with `found` where `expected` should be; "" when nothing is.
  static std::string difference(const seal::Opened& found, const Appended& expected);

 private:
  const format::VdiskFormat format_;
  const seal::Sealer& sealer_;
  SeededRandom random_;
  const std::size_t record_bytes_max_;
  unsigned zeros_percent_ = 0;
  TimestampNs time_ = 1'700'000'000'000'000'000;
};

}  // namespace tlog::testing
