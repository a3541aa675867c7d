// File: tlog/flush/appending.h
// Appending: records become the log's next aggregation: numbered and linked to the one before,
// sealed, cut into shards, and given to the log's writer. Steps 4 and 5 of a write's way, for
// whoever gathers records.
//
// Threading: append() from one thread at a time, not the loop's; `done` on the loop's thread.
// Errors: records that no reader could read again (Sealer::seal()).
#pragma once

#include <functional>
#include <vector>

#include "tlog/flush/log_writer.h"
#include "tlog/seal/sealer.h"
#include "tlog/shard/shard.h"

namespace tlog::flush {

class Appending {
 public:
  struct Start {
    AggregationNumber next_number = 1;
    Hash256 prev;
  };
  using Done = std::function<void(Status, const format::AggregationReference&)>;

  // `sealer` and `log` are borrowed.
  Appending(const format::VdiskFormat& format, const seal::Sealer& sealer, LogWriter& log,
            Start start);

  // At least one record, dense, behind those before. Their data is not needed any more when it
  // returns. `done`: see LogWriter::append().
  Status append(std::vector<format::Record> records, seal::RecordHashes hashes, bool urgent,
                Done done);

 private:
  const Uuid vdisk_;
  const shard::Geometry geometry_;
  const seal::Sealer& sealer_;
  LogWriter& log_;
  AggregationNumber next_number_;
  Hash256 prev_;
};

}  // namespace tlog::flush
