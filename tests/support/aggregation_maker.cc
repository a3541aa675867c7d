#include "tests/support/aggregation_maker.h"

#include <fmt/format.h>

#include <deque>

#include "tlog/seal/hash.h"
#include "tlog/walk/log_place.h"

namespace tlog::testing {
namespace {

// So that whole blocks become zeros, too.
constexpr std::uint64_t kZerosAreLonger = 4;

}  // namespace

shard::ShardSet AggregationMaker::make(Epoch epoch, AggregationNumber number, Sequence first,
                                       const Hash256& prev, Appended& made) {
  format::Aggregation aggregation;
  const auto records = 1 + random_.next() % 4;
  aggregation.header = {.vdisk = format_.vdisk,
                        .number = number,
                        .epoch = epoch,
                        .first_sequence = first,
                        .last_sequence = first + records - 1,
                        .timestamp = time_ + 1000 * records,
                        .prev = prev};
  std::deque<Buffer> data;
  made.changes.clear();
  for (std::uint64_t i = 0; i < records; ++i) {
    const bool is_zero = zeros_percent_ > 0 && random_.next() % 100 < zeros_percent_;
    const std::uint64_t size_max = record_bytes_max_ * (is_zero ? kZerosAreLonger : 1);
    const std::uint64_t size = 1 + random_.next() % size_max;
    data.emplace_back(is_zero ? 0 : size);
    random_.fill(data.back().span());
    time_ += 1000;
    const Operation zero = i % 2 == 0 ? Operation::kZero : Operation::kDiscard;
    aggregation.records.push_back({.sequence = first + i,
                                   .offset = random_.next() % (format_.size - size_max),
                                   .size = size,
                                   .operation = is_zero ? zero : Operation::kWrite,
                                   .timestamp = time_,
                                   .hash = {},
                                   .data = data.back().span()});
    std::string bytes(size, '\0');
    if (!is_zero) bytes.assign(reinterpret_cast<const char*>(data.back().data()), size);
    const format::Record& record = aggregation.records.back();
    made.changes.push_back({record.operation, record.offset, std::move(bytes)});
  }
  const shard::Geometry geometry = walk::geometry_of(format_);
  seal::Sealed sealed =
      std::move(sealer_.seal(aggregation, shard::tail_room_max(geometry)).value());
  made.reference = {.number = number,
                    .epoch = epoch,
                    .hash = sealed.hash,
                    .first_sequence = first,
                    .last_sequence = aggregation.header.last_sequence,
                    .first_timestamp = aggregation.records.front().timestamp,
                    .last_timestamp = aggregation.records.back().timestamp};
  made.prev = prev;
  made.record_hashes.clear();
  for (const Buffer& bytes : data) made.record_hashes.push_back(seal::hash_one(bytes.span()));
  return {geometry,
          {format_.vdisk, epoch, number, sealed.hash},
          std::move(sealed.bytes),
          sealed.length};
}

std::string AggregationMaker::difference(const seal::Opened& found, const Appended& expected) {
  const format::AggregationHeader& header = found.aggregation.header;
  const format::AggregationReference& reference = expected.reference;
  if (header.number != reference.number || header.epoch != reference.epoch) {
    return fmt::format("number {} of epoch {} is in the place of {} of epoch {}", header.number,
                       header.epoch, reference.number, reference.epoch);
  }
  if (found.hash != reference.hash) return "it has another hash";
  const auto& records = found.aggregation.records;
  if (records.size() != expected.record_hashes.size()) return "it has another number of records";
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (seal::hash_one(records[i].data) != expected.record_hashes[i]) {
      return fmt::format("record {} has other data", i);
    }
  }
  return "";
}

}  // namespace tlog::testing
