// Batch: records on their way between a client and a server, the body of a records frame. Its
// layout is that of an aggregation's plaintext (format/aggregation.h): a table, then the payload,
// so that both are read by one decoder. `number` counts the batches of the connection from 1,
// `prev` is zeros, `epoch` the session's.
//
// Threading: values and pure functions; verify() costs a hash over the payload.
// Errors: those of format::decode().
#pragma once

#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/limits.h"
#include "tlog/format/aggregation.h"

namespace tlog::protocol {

constexpr std::uint64_t kBatchBytesMax = kAggregationDataMax;  // of payload
constexpr std::uint64_t kBatchFrameMax = kSealedMax;           // of the body

struct Batch {
  Buffer bytes;                         // owned: records point into it
  std::vector<format::Record> records;  // dense, at least one
};

// A frame's body: `table`, then each record's data, which is sent from where it lies.
struct EncodedBatch {
  Buffer table;
  std::vector<ConstByteSpan> pieces;  // table first; valid as long as the records' data
  std::uint32_t length = 0;           // of all of them
};
Result<EncodedBatch> encode_batch(const Uuid& vdisk, Epoch epoch, std::uint64_t number,
                                  std::span<const format::Record> records);
struct DecodedBatch {
  Uuid vdisk;
  Epoch epoch = 0;
  std::uint64_t number = 0;
  Batch batch;
};
Result<DecodedBatch> decode_batch(Buffer body);

// Fills, or compares with, the hash of every record. kCorruption naming the first wrong sequence.
void fill_hashes(std::span<format::Record> records);
Status verify_hashes(std::span<const format::Record> records);

}  // namespace tlog::protocol
