#include "player/unit_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "tlog/seal/hash.h"

namespace tlog::player {
namespace {

// By its records: the same ones give the same, however they were aggregated.
Hash256 hash_of(const std::vector<format::Record>& records) {
  std::vector<std::byte> bytes;
  for (const format::Record& record : records) {
    const ConstByteSpan parts[] = {bytes_of(record.sequence),  bytes_of(record.offset),
                                   bytes_of(record.size),      bytes_of(record.operation),
                                   bytes_of(record.timestamp), bytes_of(record.hash.bytes)};
    for (const ConstByteSpan part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return seal::hash_one(bytes);
}

// The records' data, in a buffer of the unit's own.
walk::Visited unit_of(std::vector<format::Record> records) {
  std::size_t length = 0;
  for (const format::Record& record : records) length += record.data.size();
  walk::Visited visited;
  visited.opened.plaintext = Buffer(std::max<std::size_t>(length, 1));
  visited.opened.plaintext.reset_size(length);
  std::size_t at = 0;
  for (format::Record& record : records) {
    if (record.data.empty()) continue;
    std::memcpy(visited.opened.plaintext.data() + at, record.data.data(), record.data.size());
    record.data = visited.opened.plaintext.span().subspan(at, record.data.size());
    at += record.data.size();
  }
  visited.opened.hash = hash_of(records);
  format::AggregationHeader& header = visited.opened.aggregation.header;
  header.first_sequence = records.front().sequence;
  header.last_sequence = records.back().sequence;
  header.timestamp = records.back().timestamp;
  visited.opened.aggregation.records = std::move(records);
  return visited;
}

}  // namespace

UnitReader::UnitReader(Source source, AggregationNumber first, AggregationNumber last)
    : source_(std::move(source)), first_(first), cursors_(source_.map.count()) {
  // The one before tells what the first one is linked to.
  next_ = first > 1 ? first - 1 : first;
  const std::uint64_t unit = source_.map.end_of_unit(1);
  for (AggregationNumber number = next_; number < next_ + cursors_.size() && number <= last;
       ++number) {
    const Sequence begin = (number - 1) * unit + 1;
    const unsigned stripe = source_.map.stripe_of(begin);
    cursors_[stripe].stream = std::make_unique<StripeStream>(
        *(*source_.parts)[stripe].reader, source_.map.local_of(begin), source_.read_ahead);
  }
}

Result<UnitReader::Unit> UnitReader::next() {
  if (next_ < first_) {
    const Unit before = read(next_++);
    if (before.error) return fail(*before.error);
    previous_ = before.visited->opened.hash;
  }
  Unit unit = read(next_);
  if (unit.visited) {
    unit.visited->opened.aggregation.header.number = next_;
    unit.visited->opened.aggregation.header.vdisk = source_.log;
    unit.visited->opened.aggregation.header.prev = previous_;
    previous_ = unit.visited->opened.hash;
  }
  ++next_;
  return unit;
}

// Until the stripe's own record `local` is the next one.
Status UnitReader::pull(unsigned stripe, Sequence local) {
  Cursor& cursor = cursors_[stripe];
  const std::string& name = (*source_.parts)[stripe].name;
  while (true) {
    if (cursor.current) {
      const auto& header = cursor.current->opened.aggregation.header;
      if (header.first_sequence <= local && local <= header.last_sequence) {
        cursor.used = local - header.first_sequence;
        return {};
      }
      if (header.first_sequence > local) {
        return fail(Code::kCorruption,
                    fmt::format("{}: its record {} is not in aggregation {}, where it belongs",
                                name, local, header.number));
      }
    }
    auto read = cursor.stream->next();
    if (!read) return fail(read.error().within(name));
    if (!*read) {
      return fail(Code::kCorruption,
                  fmt::format("{}: its log ended before its record {}", name, local));
    }
    cursor.current = std::move(**read);
  }
}

// Stripes of one log have one clock: another life's record in between is seen.
Status UnitReader::check_order(const format::Record& record, const std::string& name) {
  if (record.timestamp < newest_) {
    return fail(Code::kCorruption,
                fmt::format("{}: sequence {} is of an earlier time ({} ns) than the one before it "
                            "({} ns): the stripes are not of one log",
                            name, record.sequence, record.timestamp, newest_));
  }
  newest_ = record.timestamp;
  return {};
}

UnitReader::Unit UnitReader::read(AggregationNumber number) {
  const std::uint64_t length = source_.map.end_of_unit(1);
  const Sequence first = (number - 1) * length + 1;
  const Sequence last = std::min(number * length, source_.end);
  const unsigned stripe = source_.map.stripe_of(first);
  Cursor& cursor = cursors_[stripe];
  Unit unit;
  std::vector<format::Record> records;
  std::vector<walk::Visited> spent;  // whose data the records point to
  std::uint64_t stored_bytes = 0;
  unsigned shards_bad = 0;
  Epoch epoch = 0;
  for (Sequence sequence = first; sequence <= last; ++sequence) {
    const Sequence local = source_.map.local_of(sequence);
    const bool is_new =
        !cursor.current || local > cursor.current->opened.aggregation.header.last_sequence;
    if (is_new && cursor.current) spent.push_back(std::move(*std::exchange(cursor.current, {})));
    Status good = pull(stripe, local);
    if (good) {
      if (is_new) {
        stored_bytes += cursor.current->stored_bytes;
        shards_bad += cursor.current->shards_bad;
      }
      const format::Aggregation& aggregation = cursor.current->opened.aggregation;
      epoch = aggregation.header.epoch;
      records.push_back(aggregation.records[cursor.used]);
      records.back().sequence = sequence;
      good = check_order(records.back(), (*source_.parts)[stripe].name);
      if (!good) records.pop_back();
    }
    if (!good) {
      unit.error = Error(good.error().code(), fmt::format("unit {}, sequence {}: {}", number,
                                                          sequence, good.error().message()));
      break;
    }
  }
  if (records.empty()) return unit;
  unit.visited = unit_of(std::move(records));
  unit.visited->opened.aggregation.header.epoch = epoch;
  unit.visited->stored_bytes = stored_bytes;
  unit.visited->shards_bad = shards_bad;
  return unit;
}

}  // namespace tlog::player
