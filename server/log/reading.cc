#include "server/log/reading.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::server {

protocol::LogPosition position_of(const walk::LogHead& head) {
  return {.epoch = head.epoch,
          .number = head.number,
          .sequence = head.sequence,
          .timestamp = head.timestamp,
          .hash = head.hash};
}

protocol::LogPosition position_of(const format::AggregationReference& reference) {
  return {.epoch = reference.epoch,
          .number = reference.number,
          .sequence = reference.last_sequence,
          .timestamp = reference.last_timestamp,
          .hash = reference.hash};
}

Status read_range(walk::LogReader& reader, Sequence first, Sequence last,
                  const ServedLog::Visitor& visitor) {
  const Sequence stored = reader.head().sequence;
  if (first == 0 || first > last || last > stored) {
    return fail(Code::kNotFound,
                fmt::format("read log: vdisk '{}': sequences {} to {}: stored are 1 to {}",
                            reader.metadata().format.name, first, last, stored));
  }
  TLOG_ASSIGN(const AggregationNumber number, reader.find_sequence(first));
  return reader.walk({.first = number}, [&](walk::Visited& visited) -> Result<bool> {
    const format::AggregationHeader& header = visited.opened.aggregation.header;
    const std::span<const format::Record> all = visited.opened.aggregation.records;
    const Sequence from = std::max(first, header.first_sequence);
    const Sequence to = std::min(last, header.last_sequence);
    if (from > to) return to < last;
    TLOG_ASSIGN(const bool goes_on,
                visitor(all.subspan(from - header.first_sequence, to - from + 1)));
    return goes_on && to < last;
  });
}

}  // namespace tlog::server
