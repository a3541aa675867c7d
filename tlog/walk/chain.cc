// File: tlog/walk/chain.cc
#include "tlog/walk/chain.h"

#include <fmt/format.h>

#include "tlog/walk/quorum.h"

namespace tlog::walk {
namespace {

tl::unexpected<Error> broken(const format::AggregationReference& now, const std::string& why) {
  return fail(Code::kCorruption,
              fmt::format("aggregation {} (epoch {}, sequences {}-{}): {}", now.number, now.epoch,
                          now.first_sequence, now.last_sequence, why));
}

}  // namespace

Epoch epoch_of(const format::Metadata& metadata, AggregationNumber number) {
  for (auto entry = metadata.epochs.rbegin(); entry != metadata.epochs.rend(); ++entry) {
    if (entry->first_number <= number) return entry->epoch;
  }
  return 0;
}

unsigned write_quorum_of(const format::Metadata& metadata, AggregationNumber number) {
  const shard::Geometry geometry = geometry_of(metadata.format);
  const Epoch epoch = epoch_of(metadata, number);
  for (const format::EpochEntry& entry : metadata.epochs) {
    if (entry.epoch == epoch) return write_quorum(geometry, entry.write_quorum);
  }
  return least_write_quorum(geometry);
}

format::AggregationReference reference_of(const seal::Opened& opened) {
  const format::AggregationHeader& header = opened.aggregation.header;
  const std::vector<format::Record>& records = opened.aggregation.records;
  return {.number = header.number,
          .epoch = header.epoch,
          .hash = opened.hash,
          .first_sequence = header.first_sequence,
          .last_sequence = header.last_sequence,
          .first_timestamp = records.empty() ? 0 : records.front().timestamp,
          .last_timestamp = records.empty() ? 0 : records.back().timestamp};
}

// What the metadata says of this aggregation.
Status Chain::check_alone(const format::AggregationReference& now) const {
  for (const format::AggregationReference& known : metadata_.last) {
    if (known.number == now.number && known.epoch == now.epoch && known.hash != now.hash) {
      return broken(now, "its hash is not the one in the metadata; it was replaced");
    }
  }
  for (const format::EpochEntry& entry : metadata_.epochs) {
    if (entry.epoch == now.epoch && entry.first_number == now.number &&
        entry.first_sequence != now.first_sequence) {
      return broken(now, fmt::format("its epoch begins with sequence {}", entry.first_sequence));
    }
  }
  if (now.number == 1 && now.first_sequence != 1) {
    return broken(now, "the first aggregation must begin with sequence 1");
  }
  return {};
}

Status Chain::check_link(const seal::Opened& opened,
                         const format::AggregationReference& now) const {
  if (now.number != last_->number + 1) {
    return broken(now, fmt::format("follows aggregation {}", last_->number));
  }
  if (opened.aggregation.header.prev != last_->hash) {
    return broken(now, fmt::format("does not link to aggregation {}, which has the hash {}",
                                   last_->number, last_->hash.hex()));
  }
  if (now.first_sequence != last_->last_sequence + 1) {
    return broken(now, fmt::format("sequence {} was expected", last_->last_sequence + 1));
  }
  if (now.epoch < last_->epoch) {
    return broken(now, fmt::format("epoch {} came before it", last_->epoch));
  }
  if (now.first_timestamp < last_->last_timestamp) {
    return broken(now, "its time is before that of the aggregation before it");
  }
  return {};
}

Status Chain::append(const seal::Opened& opened) {
  format::AggregationReference now = reference_of(opened);
  TLOG_TRY(check_alone(now));
  if (last_) TLOG_TRY(check_link(opened, now));
  if (now.number == 1 && opened.aggregation.header.prev != Hash256{}) {
    return broken(now, "the first aggregation must link to nothing");
  }
  last_ = now;
  return {};
}

}  // namespace tlog::walk
