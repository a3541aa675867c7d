#include "server/protocol/batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/crc32c.h"
#include "tlog/seal/hash.h"

namespace tlog::protocol {
namespace {

constexpr std::size_t kChecksumBytes = 4;
// What a reader's batches say, whose session has no epoch: an aggregation's table has to have one.
constexpr Epoch kNoEpoch = ~Epoch{0};
// So many hashes are on the stack at once. A multiple of the lanes that are hashed side by side.
constexpr std::size_t kHashedAtOnce = 128;

// Behind the table in its own buffer: most often there is room, since buffers are whole pages.
void append_checksum(Buffer& table) {
  const std::size_t length = table.size();
  const std::uint32_t checksum = crc32c(table.span());
  if (table.capacity() < length + kChecksumBytes) {
    Buffer longer(length + kChecksumBytes);
    std::memcpy(longer.data(), table.data(), length);
    table = std::move(longer);
  }
  table.reset_size(length + kChecksumBytes);
  std::memcpy(table.data() + length, &checksum, kChecksumBytes);
}

// Data that lies one behind the other, as records of one buffer do, is sent as one piece.
void append_data(std::vector<ConstByteSpan>& pieces, std::size_t first, ConstByteSpan data) {
  if (data.empty()) return;
  if (pieces.size() > first && pieces.back().data() + pieces.back().size() == data.data()) {
    pieces.back() = {pieces.back().data(), pieces.back().size() + data.size()};
  } else {
    pieces.push_back(data);
  }
}

// Visits the records some at a time, with the hashes that their data has.
template <class Records, class Visit>
void hash_records(Records records, Visit visit) {
  std::array<ConstByteSpan, kHashedAtOnce> messages;
  std::array<Hash256, kHashedAtOnce> hashes;
  while (!records.empty()) {
    const auto some = records.first(std::min(records.size(), kHashedAtOnce));
    for (std::size_t i = 0; i < some.size(); ++i) messages[i] = some[i].data;
    seal::hash_many(std::span(messages).first(some.size()), std::span(hashes).first(some.size()));
    if (!visit(some, hashes)) return;
    records = records.subspan(some.size());
  }
}

}  // namespace

Result<EncodedBatch> encode_batch(const Uuid& vdisk, Epoch epoch, std::uint64_t number,
                                  std::span<const format::Record> records) {
  format::Aggregation aggregation;
  aggregation.header = {.vdisk = vdisk,
                        .number = number,
                        .epoch = epoch == 0 ? kNoEpoch : epoch,
                        .first_sequence = records.empty() ? 0 : records.front().sequence,
                        .last_sequence = records.empty() ? 0 : records.back().sequence,
                        .timestamp = 0,
                        .prev = {}};
  aggregation.records.assign(records.begin(), records.end());
  if (auto good = format::check(aggregation); !good)
    return fail(good.error().within(fmt::format("encode: batch {}", number)));
  EncodedBatch batch;
  batch.table = format::encode_table(aggregation);
  const std::size_t table_length = batch.table.size();
  append_checksum(batch.table);
  batch.pieces.reserve(2 + records.size());
  batch.pieces.push_back(batch.table.span().first(table_length));
  std::size_t length = batch.table.size();
  for (const format::Record& record : records) {
    append_data(batch.pieces, 1, record.data);
    length += record.data.size();
  }
  batch.pieces.push_back(batch.table.span().subspan(table_length));
  batch.length = static_cast<std::uint32_t>(length);
  return batch;
}

Result<DecodedBatch> decode_batch(Buffer body) {
  if (body.size() < kChecksumBytes || body.size() > kBatchFrameMax)
    return fail(Code::kCorruption, fmt::format("batch: length {}", body.size()));
  const ConstByteSpan plaintext = body.span().first(body.size() - kChecksumBytes);
  auto table_length = format::payload_position(plaintext);
  if (!table_length) return fail(table_length.error().within("batch"));
  // No record's hash covers the table. Before all it says: its version, too.
  std::uint32_t checksum;
  std::memcpy(&checksum, body.data() + plaintext.size(), kChecksumBytes);
  if (crc32c(plaintext.first(*table_length)) != checksum)
    return fail(Code::kCorruption, "batch: wrong checksum of its table");
  auto read = format::decode(plaintext);
  if (!read) return fail(read.error().within("batch"));
  const format::AggregationHeader& header = read->header;
  if (header.prev != Hash256{} || header.timestamp != 0)
    return fail(Code::kCorruption, "batch: reserved fields are set");
  return DecodedBatch{.vdisk = header.vdisk,
                      .epoch = header.epoch == kNoEpoch ? 0 : header.epoch,
                      .number = header.number,
                      .batch = {.bytes = std::move(body), .records = std::move(read->records)}};
}

void fill_hashes(std::span<format::Record> records) {
  hash_records(records, [](std::span<format::Record> some, std::span<const Hash256> hashes) {
    for (std::size_t i = 0; i < some.size(); ++i) some[i].hash = hashes[i];
    return true;
  });
}

Status verify_hashes(std::span<const format::Record> records) {
  Status status;
  hash_records(records, [&](std::span<const format::Record> some, std::span<const Hash256> hashes) {
    for (std::size_t i = 0; i < some.size() && status; ++i) {
      if (some[i].hash == hashes[i]) continue;
      status = fail(Code::kCorruption,
                    fmt::format("record {}: its data does not have the hash that it came with; it "
                                "was changed on its way, send it again",
                                some[i].sequence));
    }
    return status.has_value();
  });
  return status;
}

Result<DecodedBatch> decode_verified(Buffer body) {
  TLOG_ASSIGN(DecodedBatch decoded, decode_batch(std::move(body)));
  TLOG_TRY(verify_hashes(decoded.batch.records));
  return decoded;
}

}  // namespace tlog::protocol
