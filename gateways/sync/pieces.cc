#include "gateways/sync/pieces.h"

#include <algorithm>

#include "gateways/frames/frame.h"

namespace tlog::logset {

std::uint64_t piece_bytes(const Piece& piece) {
  std::uint64_t bytes = 0;
  for (const PieceSlice& slice : piece) bytes += slice.bytes.size();
  return bytes;
}

Status PieceCutter::begin(const SliceHead& head) {
  name_ = head.name;
  offset_ = head.offset;
  is_begun_ = false;
  framed_ = parse_epoch_log_name(name_).has_value();
  frame_head_.clear();
  frame_left_ = 0;
  return {};
}

Status PieceCutter::bytes(ConstByteSpan piece) {
  while (framed_ && !piece.empty()) {
    TLOG_ASSIGN(const std::size_t used, take_framed(piece));
    piece = piece.subspan(used);
  }
  return take_plain(piece);
}

Result<std::size_t> PieceCutter::take_framed(ConstByteSpan bytes) {
  if (frame_left_ > 0) {
    const std::size_t size = std::min<std::uint64_t>(frame_left_, bytes.size());
    add(bytes.first(size));
    frame_left_ -= size;
    return size;
  }
  const std::size_t size = std::min(bytes.size(), kFrameHeadBytes - frame_head_.size());
  frame_head_.insert(frame_head_.end(), bytes.begin(),
                     bytes.begin() + static_cast<std::ptrdiff_t>(size));
  if (frame_head_.size() == kFrameHeadBytes) TLOG_TRY(begin_frame());
  return size;
}

Status PieceCutter::begin_frame() {
  const std::vector<std::byte> bytes = std::move(frame_head_);
  frame_head_.clear();
  const auto head =
      decode_frame_head(std::span<const std::byte, kFrameHeadBytes>(bytes.data(), bytes.size()));
  if (!head) {
    // Who verifies it refuses it; who does not takes it in any cut.
    framed_ = false;
    return take_plain(bytes);
  }
  if (size_ > 0 && size_ + kFrameHeadBytes + head->payload_bytes > kPieceBytesMax) TLOG_TRY(cut());
  add(bytes);
  frame_left_ = head->payload_bytes;
  return {};
}

Status PieceCutter::take_plain(ConstByteSpan bytes) {
  while (!bytes.empty()) {
    if (size_ >= kPieceBytesMax) TLOG_TRY(cut());
    const std::size_t size = std::min<std::uint64_t>(kPieceBytesMax - size_, bytes.size());
    add(bytes.first(size));
    bytes = bytes.subspan(size);
  }
  return {};
}

Status PieceCutter::end() {
  add(frame_head_);
  frame_head_.clear();
  return {};
}

void PieceCutter::add(ConstByteSpan bytes) {
  if (bytes.empty()) return;
  if (!is_begun_) piece_.push_back({.head = {.name = name_, .offset = offset_}, .bytes = {}});
  is_begun_ = true;
  PieceSlice& slice = piece_.back();
  slice.bytes.insert(slice.bytes.end(), bytes.begin(), bytes.end());
  slice.head.length += bytes.size();
  offset_ += bytes.size();
  size_ += bytes.size();
}

Status PieceCutter::cut() {
  Piece whole = std::move(piece_);
  piece_.clear();
  size_ = 0;
  is_begun_ = false;
  return sink_(std::move(whole));
}

Status PieceCutter::finish() {
  return piece_.empty() ? Status() : cut();
}

}  // namespace tlog::logset
