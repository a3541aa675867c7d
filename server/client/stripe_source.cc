#include "server/client/stripe_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace tlog::client {
namespace {

// Copied into one: a batch is sent and hashed as a whole, however short the units are.
protocol::Batch joined(std::vector<protocol::Batch> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  std::size_t length = 0;
  for (const protocol::Batch& part : parts) length += part.bytes.size();
  protocol::Batch all{.bytes = Buffer(length), .records = {}};
  std::size_t at = 0;
  for (protocol::Batch& part : parts) {
    if (!part.bytes.empty())
      std::memcpy(all.bytes.data() + at, part.bytes.data(), part.bytes.size());
    for (format::Record& record : part.records) {
      if (!record.data.empty()) {
        const auto within = static_cast<std::size_t>(record.data.data() - part.bytes.data());
        record.data = all.bytes.span().subspan(at + within, record.data.size());
      }
      all.records.push_back(record);
    }
    at += part.bytes.size();
  }
  return all;
}

}  // namespace

// Of one unit.
Result<std::optional<protocol::Batch>> StripeSource::take_unit(Sequence first, Sequence last,
                                                               std::uint64_t bytes_wanted) {
  const Sequence begin = map_.global_of(index_, first);
  const Sequence wanted_last = map_.global_of(index_, std::max(first, last));
  const Sequence end = std::min(map_.end_of_unit(begin), wanted_last);
  TLOG_ASSIGN(std::optional<protocol::Batch> taken, source_.take(begin, end, bytes_wanted));
  if (!taken) return taken;
  std::vector<format::Record>& records = taken->records;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].sequence != begin + i || records[i].sequence > end) {
      return fail(Code::kCorruption, fmt::format("take: records {} to {}: the source gave {}",
                                                 begin, end, records[i].sequence));
    }
    records[i].sequence = first + i;
  }
  return taken;
}

Result<std::optional<protocol::Batch>> StripeSource::take(Sequence first, Sequence last,
                                                          std::uint64_t bytes_wanted) {
  TLOG_ASSIGN(std::optional<protocol::Batch> taken, take_unit(first, last, bytes_wanted));
  if (!taken || taken->records.empty()) return taken;
  std::vector<protocol::Batch> parts;
  std::uint64_t bytes = taken->bytes.size();
  Sequence next = first + taken->records.size();
  parts.push_back(std::move(*taken));
  while (next <= last && bytes < bytes_wanted && next - first < kAggregationRecordsMax) {
    const bool was_whole =
        map_.global_of(index_, next - 1) == map_.end_of_unit(map_.global_of(index_, next - 1));
    if (!was_whole || next > end()) break;
    // What is wrong there is found by who asks for it.
    auto more = take_unit(next, last, bytes_wanted - bytes);
    if (!more || !*more || (*more)->records.empty()) break;
    bytes += (*more)->bytes.size();
    next += (*more)->records.size();
    parts.push_back(std::move(**more));
  }
  return std::optional<protocol::Batch>(joined(std::move(parts)));
}

}  // namespace tlog::client
