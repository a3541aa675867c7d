#include "gateways/cas/copy_follower.h"

#include <fmt/format.h>

#include "gateways/cas/content_stream.h"
#include "gateways/cas/frame_check.h"
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
  if (lengths.empty() && !logs.empty()) {
    return fail(
        Code::kFenced,
        fmt::format("follow: what is told of now is vdisk {}, and the copy is of another one; "
                    "follow into another directory",
                    vdisk.text()));
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
  return check_not_gone_back(lengths);
}

// The copy has nothing that is not told of.
Result<std::size_t> CopyFollower::check_not_gone_back(
    const std::map<Epoch, std::uint64_t>& lengths) const {
  const LogIndex& index = *parts_.index;
  if (lengths.empty()) return index.size();
  const Piece last = index.piece(index.size() - 1);
  const auto& [epoch, length] = *lengths.rbegin();
  if (epoch < last.epoch || (epoch == last.epoch && length <= last.end())) return index.size();
  return fail(
      Code::kUnavailable,
      fmt::format("follow: the copy has epoch {} up to byte {}, and epoch {} up to {} is told "
                  "now: what is published has gone back; asked again later",
                  epoch, length, last.epoch, last.end()));
}

Result<std::uint64_t> CopyFollower::follow() {
  LogIndex& index = *parts_.index;
  TLOG_TRY(index.refresh());
  TLOG_ASSIGN(const std::size_t first, first_missing());
  CopyProgress progress;
  for (std::size_t i = first; i < index.size(); ++i) progress.bytes_all += index.piece(i).length;
  ContentStream stream(index, first);
  Piece begin;
  std::string frames;  // whole ones, but for the last
  std::size_t frame_at = 0;
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
    if (is_whole) {
      TLOG_TRY(check_frame(piece, std::string_view(frames).substr(frame_at)));
      frame_at = frames.size();
    }
    if (!is_whole || (!is_last && after.epoch == piece.epoch && frames.size() < kSliceBytes)) {
      continue;
    }
    TLOG_TRY(take(begin, frames));
    progress.bytes_done += frames.size();
    frames.clear();
    frame_at = 0;
    parts_.progress(progress);
  }
  return progress.bytes_done;
}

Status CopyFollower::take(const Piece& first, const std::string& frames) {
  const auto describe = [&](const Error& error) {
    // What a site may not push is, here, what nobody should have published.
    const Code code = error.code() == Code::kInvalidArgument ? Code::kCorruption : error.code();
    return fail(code, fmt::format("follow: epoch {} offset {}: {}", first.epoch, first.offset,
                                  error.message()));
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
