#include "tlog/format/aggregation.h"

#include <fmt/format.h>

#include "tlog/base/assert.h"
#include "tlog/base/limits.h"
#include "tlog/format/wire.h"

namespace tlog::format {
namespace {

constexpr std::size_t kLengthBytes = 8;  // u64 length of the table
constexpr std::size_t kPayloadAlignment = 64;

// One segment: root pointer, table, list tag, entries. Exact, so that the table is laid out in
// place.
std::size_t table_words(std::size_t records) {
  return 1 + capnp::sizeInWords<wire::AggregationTable>() + 1 +
         records * capnp::sizeInWords<wire::RecordEntry>();
}

Status check_record(const Record& record) {
  switch (record.operation) {
    case Operation::kWrite:
      if (record.size > kRecordDataMax) {
        return fail(Code::kInvalidArgument,
                    fmt::format("a write of {} bytes, more than {}", record.size, kRecordDataMax));
      }
      break;
    case Operation::kMark:
      if (record.size > kMarkNameMax || record.offset != 0) {
        return fail(Code::kInvalidArgument,
                    fmt::format("a mark of {} bytes at {}", record.size, record.offset));
      }
      break;
    case Operation::kFlush:
      if (record.size != 0 || record.offset != 0) {
        return fail(Code::kInvalidArgument, "a flush barrier with a range");
      }
      break;
    case Operation::kDiscard:
    case Operation::kZero:
      break;
    default:
      return fail(Code::kInvalidArgument,
                  fmt::format("unknown operation {}", static_cast<unsigned>(record.operation)));
  }
  if (record.offset > kVdiskSizeMax || record.size > kVdiskSizeMax - record.offset) {
    return fail(Code::kInvalidArgument,
                fmt::format("range {}+{} beyond the largest vdisk", record.offset, record.size));
  }
  return {};
}

Status check_header(const AggregationHeader& header, std::size_t records) {
  if (header.number == 0) return fail(Code::kInvalidArgument, "number 0");
  if (header.epoch == 0) return fail(Code::kInvalidArgument, "epoch 0");
  if (records == 0 || records > kAggregationRecordsMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("{} records, 1 to {} are possible", records, kAggregationRecordsMax));
  }
  if (header.first_sequence == 0 || header.last_sequence < header.first_sequence ||
      header.last_sequence - header.first_sequence != records - 1) {
    return fail(Code::kInvalidArgument,
                fmt::format("sequences {} to {} for {} records", header.first_sequence,
                            header.last_sequence, records));
  }
  if (header.number == 1 && header.prev != Hash256{}) {
    return fail(Code::kInvalidArgument, "the first aggregation names one before it");
  }
  return {};
}

// The payload's length as the records tell it, after check_record() of each.
std::uint64_t payload_size(const std::vector<Record>& records) {
  std::uint64_t size = 0;
  for (const Record& record : records) size += carries_data(record.operation) ? record.size : 0;
  return size;
}

Status check_table(const Aggregation& aggregation) {
  TLOG_TRY(check_header(aggregation.header, aggregation.records.size()));
  TimestampNs previous = 0;
  for (std::size_t i = 0; i < aggregation.records.size(); ++i) {
    const Record& record = aggregation.records[i];
    if (record.sequence != aggregation.header.first_sequence + i) {
      return fail(Code::kInvalidArgument,
                  fmt::format("record {}: sequence {}, expected {}", i, record.sequence,
                              aggregation.header.first_sequence + i));
    }
    if (auto good = check_record(record); !good)
      return fail(good.error().within(fmt::format("record {}", i)));
    if (record.timestamp < previous) {
      return fail(Code::kInvalidArgument,
                  fmt::format("record {}: timestamp {} before {}", i, record.timestamp, previous));
    }
    previous = record.timestamp;
  }
  if (std::uint64_t size = payload_size(aggregation.records); size > kAggregationDataMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("payload of {} bytes, more than {}", size, kAggregationDataMax));
  }
  return {};
}

Result<Aggregation> read_table(kj::ArrayPtr<const capnp::word> words) {
  if (!is_one_segment(words)) {
    return fail(Code::kCorruption, "table: it is not one segment of its length");
  }
  capnp::FlatArrayMessageReader reader(words, reader_options(words.size()));
  if (reader.getEnd() != words.end())
    return fail(Code::kCorruption, "table: bytes after the message");
  auto table = reader.getRoot<wire::AggregationTable>();
  if (table.getVersion() > kAggregationVersion) {
    return fail(Code::kNotSupported,
                fmt::format("version {} is newer than this program's {}; upgrade",
                            table.getVersion(), kAggregationVersion));
  }
  if (table.getVersion() == 0) return fail(Code::kCorruption, "version 0");
  Aggregation aggregation;
  aggregation.header = {.vdisk = uuid_from(table.getVdisk()),
                        .number = table.getNumber(),
                        .epoch = table.getEpoch(),
                        .first_sequence = table.getFirstSequence(),
                        .last_sequence = table.getLastSequence(),
                        .timestamp = table.getTimestamp(),
                        .prev = hash_from(table.getPrev())};
  auto entries = table.getRecords();
  if (auto good = check_header(aggregation.header, entries.size()); !good) {
    return fail(Code::kCorruption, good.error().message());
  }
  aggregation.records.reserve(entries.size());
  for (auto entry : entries) {
    aggregation.records.push_back(
        {.sequence = aggregation.header.first_sequence + entry.getPosition(),
         .offset = entry.getOffset(),
         .size = entry.getSize(),
         .operation = static_cast<Operation>(entry.getOperation()),
         .timestamp = entry.getTimestamp(),
         .hash = hash_from(entry.getHash()),
         .data = {}});
  }
  return aggregation;
}

// Cap'n Proto reads words: a table that is not aligned (never one of ours) is copied first.
Result<Aggregation> read_table_bytes(ConstByteSpan bytes) {
  auto read = [](const std::byte* at, std::size_t size) {
    return catch_kj<Aggregation>("table", [&] {
      return read_table(
          kj::arrayPtr(reinterpret_cast<const capnp::word*>(at), size / sizeof(capnp::word)));
    });
  };
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(capnp::word) == 0) {
    return read(bytes.data(), bytes.size());
  }
  Buffer aligned = Buffer::copy_of(bytes);
  return read(aligned.data(), aligned.size());
}

}  // namespace

Status check(const Aggregation& aggregation) {
  TLOG_TRY(check_table(aggregation));
  for (const Record& record : aggregation.records) {
    const std::uint64_t expected = carries_data(record.operation) ? record.size : 0;
    if (record.data.size() != expected) {
      return fail(Code::kInvalidArgument,
                  fmt::format("sequence {}: {} bytes of data, expected {}", record.sequence,
                              record.data.size(), expected));
    }
  }
  return {};
}

std::size_t table_bytes(std::size_t records) {
  return round_up(kLengthBytes + kFramingBytes + table_words(records) * sizeof(capnp::word),
                  kPayloadAlignment);
}

std::size_t plaintext_bytes(const Aggregation& aggregation) {
  return table_bytes(aggregation.records.size()) + payload_size(aggregation.records);
}

Buffer encode_table(const Aggregation& aggregation) {
  const std::size_t records = aggregation.records.size();
  TLOG_ASSERT(records > 0 && records <= kAggregationRecordsMax);
  const std::size_t words = table_words(records);
  Buffer buffer(table_bytes(records));
  std::memset(buffer.data(), 0, buffer.size());
  store<std::uint64_t>(buffer.data(), kFramingBytes + words * sizeof(capnp::word));
  store_framing(buffer.data() + kLengthBytes, words);

  capnp::FlatMessageBuilder message(kj::arrayPtr(
      reinterpret_cast<capnp::word*>(buffer.data() + kLengthBytes + kFramingBytes), words));
  auto table = message.initRoot<wire::AggregationTable>();
  const AggregationHeader& header = aggregation.header;
  table.setVersion(kAggregationVersion);
  set_words(table.getVdisk(), header.vdisk);
  table.setNumber(header.number);
  table.setEpoch(header.epoch);
  table.setFirstSequence(header.first_sequence);
  table.setLastSequence(header.last_sequence);
  table.setTimestamp(header.timestamp);
  set_words(table.getPrev(), header.prev);
  auto entries = table.initRecords(static_cast<unsigned>(records));
  for (std::size_t i = 0; i < records; ++i) {
    const Record& record = aggregation.records[i];
    auto entry = entries[static_cast<unsigned>(i)];
    entry.setOffset(record.offset);
    entry.setSize(record.size);
    entry.setTimestamp(record.timestamp);
    entry.setPosition(static_cast<std::uint32_t>(record.sequence - header.first_sequence));
    entry.setOperation(static_cast<std::uint8_t>(record.operation));
    set_words(entry.getHash(), record.hash);
  }
  message.requireFilled();
  return buffer;
}

Result<std::size_t> payload_position(ConstByteSpan plaintext) {
  if (plaintext.size() < kLengthBytes || plaintext.size() > kSealedMax) {
    return fail(Code::kCorruption, fmt::format("aggregation: length {}", plaintext.size()));
  }
  const auto table_length = load<std::uint64_t>(plaintext.data());
  if (table_length % sizeof(capnp::word) != 0 || table_length > plaintext.size() - kLengthBytes) {
    return fail(Code::kCorruption, fmt::format("aggregation: table of {} in {} bytes", table_length,
                                               plaintext.size()));
  }
  const auto payload_at =
      static_cast<std::size_t>(round_up(kLengthBytes + table_length, kPayloadAlignment));
  if (payload_at > plaintext.size())
    return fail(Code::kCorruption, "aggregation: the padding is cut off");
  return payload_at;
}

Result<Aggregation> decode(ConstByteSpan plaintext) {
  TLOG_ASSIGN(const std::size_t payload_at, payload_position(plaintext));
  const auto table_length = load<std::uint64_t>(plaintext.data());
  for (std::byte byte : plaintext.first(payload_at).subspan(kLengthBytes + table_length)) {
    if (byte != std::byte{0}) return fail(Code::kCorruption, "aggregation: padding is not zero");
  }
  auto read = read_table_bytes(plaintext.subspan(kLengthBytes, table_length));
  if (!read) return fail(read.error().within("aggregation"));
  if (auto good = check_table(*read); !good) {
    return fail(Code::kCorruption, "aggregation: " + good.error().message());
  }
  ConstByteSpan payload = plaintext.subspan(payload_at);
  if (std::uint64_t expected = payload_size(read->records); payload.size() != expected) {
    return fail(Code::kCorruption,
                fmt::format("aggregation: payload of {} bytes, the table says {}", payload.size(),
                            expected));
  }
  for (Record& record : read->records) {
    if (!carries_data(record.operation)) continue;
    record.data = payload.first(record.size);
    payload = payload.subspan(record.size);
  }
  return read;
}

}  // namespace tlog::format
