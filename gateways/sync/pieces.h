// Piece: slices that are pushed together, in one request: what arrives of a log in one of them
// stays, whatever becomes of the next. PieceCutter: makes them of the slices that a pull gives.
//
// A piece has about kPieceBytesMax of bytes, and one slice of a log at most: a server of logset
// need not take two that adjoin in one push. The log of a vdisk is cut between its frames alone,
// for a copy takes only whole ones (gateways/frames); other logs anywhere.
//
// Threading: one thread. Errors: those of the sink.
#pragma once

#include <functional>
#include <vector>

#include "gateways/logset/grammar.h"

namespace tlog::logset {

// A frame may be longer; then the piece is as long as that.
constexpr std::uint64_t kPieceBytesMax = 8 * kMiB;

struct PieceSlice {
  SliceHead head;
  std::vector<std::byte> bytes;
};
using Piece = std::vector<PieceSlice>;

std::uint64_t piece_bytes(const Piece& piece);  // of logs

class PieceCutter final : public SliceVisitor {
 public:
  using Sink = std::function<Status(Piece)>;
  explicit PieceCutter(Sink sink) : sink_(std::move(sink)) {}

  Status begin(const SliceHead& head) override;
  Status bytes(ConstByteSpan piece) override;
  Status end() override;
  // What is left, when nothing more comes.
  Status finish();

 private:
  Result<std::size_t> take_framed(ConstByteSpan bytes);
  Status begin_frame();
  Status take_plain(ConstByteSpan bytes);
  void add(ConstByteSpan bytes);
  Status cut();

  const Sink sink_;
  Piece piece_;
  std::uint64_t size_ = 0;  // of the piece
  std::string name_;        // of the slice that comes
  std::uint64_t offset_ = 0;
  bool is_begun_ = false;              // the piece has some of it
  bool framed_ = false;                // it may be cut between frames only
  std::vector<std::byte> frame_head_;  // of one that has begun to come
  std::uint64_t frame_left_ = 0;       // of its payload
};

}  // namespace tlog::logset
