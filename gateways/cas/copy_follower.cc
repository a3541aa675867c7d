#include "gateways/cas/copy_follower.h"

#include <fmt/format.h>

#include <map>

#include "gateways/cas/content_stream.h"
#include "gateways/frames/frame.h"
#include "tlog/base/limits.h"

namespace tlog::cas {
namespace {

constexpr std::size_t kSliceBytes = 4 * 1024 * 1024;
// Of one frame, with the padding of what it carries.
constexpr std::size_t kFrameBytesMax = logset::kFrameHeadBytes + kSealedMax + 4096;

}  // namespace

// What the copy has is told by the lengths of its logs. Logs only grow, and in this order.
Result<std::size_t> CopyFollower::first_missing() {
  LogIndex& index = *parts_.index;
  const Uuid& vdisk = index.head().vdisk;
  TLOG_ASSIGN(const auto logs, parts_.copy->lengths());
  std::map<Epoch, std::uint64_t> lengths;
  for (const logset::LogLength& log : logs) {
    const auto of = logset::parse_epoch_log_name(log.name);
    if (of && of->vdisk == vdisk) lengths[of->epoch] = log.bytes;
  }
  for (std::size_t& i = had_; i < index.size(); ++i) {
    const Piece piece = index.piece(i);
    if (lengths[piece.epoch] >= piece.end()) continue;
    if (lengths[piece.epoch] == piece.offset) return i;
    return fail(
        Code::kFenced,
        fmt::format("follow: epoch {} of the copy has {} bytes, and a frame begins at {} and "
                    "ends at {}: it is a copy of another history; follow into another "
                    "directory",
                    piece.epoch, lengths[piece.epoch], piece.offset, piece.end()));
  }
  return index.size();
}

Result<std::uint64_t> CopyFollower::follow() {
  LogIndex& index = *parts_.index;
  TLOG_TRY(index.refresh());
  TLOG_ASSIGN(const std::size_t first, first_missing());
  CopyProgress progress;
  for (std::size_t i = first; i < index.size(); ++i) progress.bytes_all += index.piece(i).length;
  ContentStream stream(index, first);
  Piece begin;
  std::string frames;
  while (!stream.is_over() && !parts_.stopping()) {
    const Piece piece = index.piece(stream.at());
    auto content = stream.next();
    if (!content) return fail(content.error().within("follow"));
    if (frames.empty()) begin = piece;
    // Slices end as soon as they have so many bytes and the last frame is whole.
    if (frames.size() + content->size() > kSliceBytes + kFrameBytesMax) {
      return fail(Code::kCorruption,
                  fmt::format("follow: epoch {} offset {}: more is told of aggregation {} than any "
                              "has; tlogdisk did not publish it",
                              piece.epoch, piece.offset, piece.number));
    }
    frames += *content;
    const bool is_last = stream.is_over();
    const Piece after = is_last ? Piece{} : index.piece(stream.at());
    const bool is_whole = is_last || after.epoch != piece.epoch || after.number != piece.number;
    if (!is_whole || (!is_last && after.epoch == piece.epoch && frames.size() < kSliceBytes)) {
      continue;
    }
    TLOG_TRY(take(begin, frames));
    progress.bytes_done += frames.size();
    frames.clear();
    parts_.progress(progress);
  }
  return progress.bytes_done;
}

Status CopyFollower::take(const Piece& first, const std::string& frames) {
  const auto describe = [&](const Error& error) {
    return fail(error.within(fmt::format("follow: epoch {} offset {}", first.epoch, first.offset)));
  };
  const logset::SliceHead head{
      .name = logset::epoch_log_name(parts_.index->head().vdisk, first.epoch),
      .offset = first.offset,
      .length = frames.size()};
  auto taker = parts_.copy->take(head);
  if (!taker) return describe(taker.error());
  if (Status took = (*taker)->bytes(as_bytes(std::span(frames))); !took)
    return describe(took.error());
  if (Status took = (*taker)->finish(); !took) return describe(took.error());
  return {};
}

}  // namespace tlog::cas
