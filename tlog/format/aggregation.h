// File: tlog/format/aggregation.h
// Aggregation: what is sealed, sharded and stored as one: a header, a table of records, then their
// payload. Plaintext layout: u64 length of the table (little endian), the table (a Cap'n Proto
// message, format/tlog.capnp), zero padding to 64 bytes, the data of the records in order, without
// gaps. So an index can be read without the data.
//
// Threading: values and pure functions.
// Errors: decode() checks everything (lengths, known operations, dense sequences, limits,
// timestamps that never decrease) and answers kCorruption or kNotSupported (a newer version) naming
// what is wrong. It never trusts a length.
#pragma once

#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/format/record.h"

namespace tlog::format {

constexpr std::uint16_t kAggregationVersion = 1;

struct AggregationHeader {
  Uuid vdisk;
  AggregationNumber number = 0;
  Epoch epoch = 0;
  Sequence first_sequence = 0;
  Sequence last_sequence = 0;
  TimestampNs timestamp = 0;  // when it was closed
  Hash256 prev;               // hash of the aggregation before it; zeros for number 1
};

struct Aggregation {
  AggregationHeader header;
  std::vector<Record> records;  // dense: records[i].sequence == first_sequence + i; at least one
};

// The rules every aggregation obeys (sizes, limits, dense sequences, times that never decrease):
// decode() applies them, and so does sealing, before anything unreadable is stored.
// kInvalidArgument naming what is wrong.
Status check(const Aggregation& aggregation);

std::size_t table_bytes(std::size_t records);                 // of encode_table()'s answer
std::size_t plaintext_bytes(const Aggregation& aggregation);  // the table's and the payload's
// The bytes before the payload: length, table and padding. The plaintext is these, then each
// record's data.
Buffer encode_table(const Aggregation& aggregation);
// Where the payload begins, as far as the length of the table tells: the bytes before it are
// encode_table()'s. kCorruption when that is not in the plaintext.
Result<std::size_t> payload_position(ConstByteSpan plaintext);
// `plaintext` must outlive the result: records point into it.
Result<Aggregation> decode(ConstByteSpan plaintext);

}  // namespace tlog::format
