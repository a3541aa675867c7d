#include "gateways/cas/frame_check.h"

#include <fmt/format.h>

#include <cstring>

#include "gateways/frames/frame.h"

namespace tlog::cas {

Status check_frame(const Piece& piece, std::string_view frame) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kCorruption,
                fmt::format("epoch {} offset {}: the content is not what its page says: {}",
                            piece.epoch, piece.offset, what));
  };
  const ConstByteSpan bytes = std::as_bytes(std::span(frame));
  if (bytes.size() < logset::kFrameHeadBytes) return wrong("no frame");
  const auto head = logset::decode_frame_head(bytes.first<logset::kFrameHeadBytes>());
  if (!head) return wrong(head.error().message());
  const ConstByteSpan payload = bytes.subspan(logset::kFrameHeadBytes);
  if (payload.size() != head->payload_bytes) return wrong("a frame of another length");
  if (piece.number == 0) {
    Hash256 hash;
    const Address address = address_of(frame);
    std::memcpy(hash.bytes.data(), digest_in(address).data(), sizeof(hash.bytes));
    if (head->kind != logset::FrameKind::kOpening) return wrong("not the opening of a log");
    return hash == piece.hash ? Status() : wrong("another opening");
  }
  if (head->kind != logset::FrameKind::kAggregation || head->number != piece.number) {
    return wrong(fmt::format("aggregation {} and not {}", head->number, piece.number));
  }
  const auto view = shard::parse(payload);
  if (!view) return wrong(view.error().message());
  if (view->identity.aggregation_hash == piece.hash) return {};
  return wrong(fmt::format("its hash is {} and not {}", view->identity.aggregation_hash.hex(),
                           piece.hash.hex()));
}

}  // namespace tlog::cas
