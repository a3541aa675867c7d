// Frames of a peer: the head, then a message or a batch of records, as they come and with the
// checksums put right. What is accepted can be sent on, and says the same when it is read again.
#include "server/protocol/batch.h"
#include "server/protocol/frame.h"
#include "server/protocol/message.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace tlog;
using namespace tlog::protocol;

constexpr std::size_t kHeadChecksumAt = kFrameHeadBytes - 4;
constexpr std::size_t kBodyChecksumBytes = 4;

// Of the frame that the head promises; a head that is refused says what its type says.
FrameType read_head(ConstByteSpan bytes) {
  const std::span<const std::byte, kFrameHeadBytes> raw(bytes.first<kFrameHeadBytes>());
  if (auto head = decode_head(raw)) {
    const auto again = encode_head(*head);
    TLOG_ASSERT(std::memcmp(again.data(), raw.data(), raw.size()) == 0);
    return head->type;
  }
  return static_cast<FrameType>(raw[4]);
}

void read_message(ConstByteSpan body) {
  auto message = decode(body);
  if (!message) {
    TLOG_ASSERT(!message.error().message().empty());
    return;
  }
  const Buffer sent = encode(*message);
  TLOG_ASSERT(sent.size() <= kMessageBytesMax);
  auto again = decode(sent.span());
  TLOG_ASSERT(again && again->index() == message->index());
  const Buffer sent_again = encode(*again);
  TLOG_ASSERT(sent_again.size() == sent.size() &&
              std::memcmp(sent_again.data(), sent.data(), sent.size()) == 0);
  if (const auto* hello = std::get_if<Hello>(&*message)) (void)choose_version(*hello);
}

void read_batch(ConstByteSpan body) {
  auto batch = decode_batch(Buffer::copy_of(body));
  if (!batch) {
    TLOG_ASSERT(!batch.error().message().empty());
    return;
  }
  auto& records = batch->batch.records;
  TLOG_ASSERT(!records.empty());
  (void)verify_hashes(records);
  fill_hashes(records);
  TLOG_ASSERT(verify_hashes(records));
  auto encoded = encode_batch(batch->vdisk, batch->epoch, batch->number, records);
  TLOG_ASSERT(encoded && encoded->length <= kBatchFrameMax);
  Buffer again(encoded->length);
  std::size_t at = 0;
  for (ConstByteSpan piece : encoded->pieces) {
    std::memcpy(again.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  TLOG_ASSERT(at == again.size());
  auto decoded = decode_batch(std::move(again));
  TLOG_ASSERT(decoded && decoded->batch.records.size() == records.size());
  TLOG_ASSERT(verify_hashes(decoded->batch.records));
}

// A copy whose last bytes are the checksum of the first `covered`.
Buffer with_body_checksum(ConstByteSpan body, std::size_t covered) {
  Buffer fixed = Buffer::copy_of(body);
  const std::uint32_t crc = crc32c(body.first(covered));
  std::memcpy(fixed.data() + body.size() - sizeof crc, &crc, sizeof crc);
  return fixed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ConstByteSpan bytes = fuzz::bytes_of_input(data, size);
  if (size < kFrameHeadBytes + kBodyChecksumBytes) return 0;
  (void)read_head(bytes);
  const Buffer head = fuzz::with_checksum(bytes.first(kFrameHeadBytes), kHeadChecksumAt);
  const FrameType type = read_head(head.span());
  const ConstByteSpan body = bytes.subspan(kFrameHeadBytes);
  if (type == FrameType::kRecords) {
    read_batch(body);
    const ConstByteSpan plaintext = body.first(body.size() - kBodyChecksumBytes);
    if (auto covered = format::payload_position(plaintext))
      read_batch(with_body_checksum(body, *covered).span());
    return 0;
  }
  read_message(body);
  read_message(with_body_checksum(body, body.size() - kBodyChecksumBytes).span());
  return 0;
}
