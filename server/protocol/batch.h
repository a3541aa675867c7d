// Batch: records on their way between a client and a server, the body of a records frame. Its
// layout is that of an aggregation's plaintext (format/aggregation.h): a table, then the payload,
// so that both are read by one decoder; and then a checksum of the table, which the records' hashes
// do not cover. `number` counts the batches of the connection in one direction from 1, `prev` is
// zeros, `epoch` the session's, 0 for a reader.
//
// Threading: values and pure functions; verify_hashes() costs a hash over the payload.
// Errors: encode_batch(): kInvalidArgument for what is not dense or above a limit; decode_batch():
// kCorruption, or kNotSupported for a newer version. Hashes are not looked at by either.
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

// A frame's body: the table, then each record's data, which is sent from where it lies, then the
// table's checksum.
struct EncodedBatch {
  Buffer table;                       // and its checksum
  std::vector<ConstByteSpan> pieces;  // in order; valid as long as `table` and the records' data
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
// Both: decode_batch(), and its records have their hashes.
Result<DecodedBatch> decode_verified(Buffer body);

}  // namespace tlog::protocol
