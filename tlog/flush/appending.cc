#include "tlog/flush/appending.h"

#include "tlog/walk/quorum.h"

namespace tlog::flush {

Appending::Appending(const format::VdiskFormat& format, const seal::Sealer& sealer, LogWriter& log,
                     Start start)
    : vdisk_(format.vdisk),
      geometry_(walk::geometry_of(format)),
      sealer_(sealer),
      log_(log),
      next_number_(start.next_number),
      prev_(start.prev) {}

Status Appending::append(std::vector<format::Record> records, seal::RecordHashes hashes,
                         bool urgent, Done done) {
  format::Aggregation aggregation{.header = {.vdisk = vdisk_,
                                             .number = next_number_,
                                             .epoch = log_.epoch(),
                                             .first_sequence = records.front().sequence,
                                             .last_sequence = records.back().sequence,
                                             .timestamp = records.back().timestamp,
                                             .prev = prev_},
                                  .records = std::move(records)};
  const format::AggregationHeader& header = aggregation.header;
  // The room wanted behind the sealed bytes depends on their length by less than a piece's
  // rounding.
  TLOG_ASSIGN(seal::Sealed sealed,
              sealer_.seal(aggregation, shard::tail_room_max(geometry_), hashes));
  const shard::Identity identity{vdisk_, header.epoch, header.number, sealed.hash};
  const format::AggregationReference reference{
      .number = header.number,
      .epoch = header.epoch,
      .hash = sealed.hash,
      .first_sequence = header.first_sequence,
      .last_sequence = header.last_sequence,
      .first_timestamp = aggregation.records.front().timestamp,
      .last_timestamp = aggregation.records.back().timestamp};
  shard::ShardSet shards(geometry_, identity, std::move(sealed.bytes), sealed.length);
  prev_ = sealed.hash;
  ++next_number_;
  log_.append(std::move(shards), reference, urgent,
              [done = std::move(done), reference](const Status& status) { done(status, reference); });
  return {};
}

}  // namespace tlog::flush
