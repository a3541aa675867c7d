// Frames: how a vdisk's log travels by logset (docs/format.md, "Frames"). A log of an epoch is an
// opening frame, which says which vdisk and epoch it is, and then one frame for each aggregation
// of that epoch, in order: the sealed bytes as the stores have them, as one shard of a 1+0 cut,
// with the hash of the aggregation before. What is damaged, missing or belongs to another history
// is seen without the key.
//
// Threading: pure functions and values; one thread at a time each.
// Errors: kCorruption for what is no frame, or not the one that has to come here; kFenced for one
// that belongs to another history; kNotSupported for a newer version.
#pragma once

#include <optional>
#include <string>

#include "tlog/base/buffer.h"
#include "tlog/format/metadata.h"
#include "tlog/shard/shard.h"

namespace tlog::logset {

constexpr std::size_t kFrameHeadBytes = 72;
enum class FrameKind : std::uint8_t { kAggregation = 1, kOpening = 2 };

struct FrameHead {
  FrameKind kind = FrameKind::kAggregation;
  AggregationNumber number = 0;  // of the opening: of the first aggregation that may follow
  std::uint64_t payload_bytes = 0;
  Hash256 prev;  // zeros for number 1
};
std::array<std::byte, kFrameHeadBytes> encode_frame_head(const FrameHead& head);
Result<FrameHead> decode_frame_head(std::span<const std::byte, kFrameHeadBytes> bytes);

// "0123456789abcdef0123456789abcdefe7": the vdisk's uuid in hex, then 'e' and the epoch.
std::string epoch_log_name(const Uuid& vdisk, Epoch epoch);
struct EpochLog {
  Uuid vdisk;
  Epoch epoch = 0;
};
// Of the file beside a log in which an append is under way: logset/log_directory.h.
inline constexpr std::string_view kAppendMarkerPrefix = ".append-";

std::optional<EpochLog> parse_epoch_log_name(std::string_view name);

// Of the payload: how long it is for this many sealed bytes.
std::uint64_t aggregation_payload_bytes(std::uint64_t sealed_length);
// The payload of an aggregation.
Buffer make_aggregation_payload(const shard::Identity& identity, Buffer sealed,
                                std::size_t sealed_length);
// The payload of an opening frame: always the same bytes for the same epoch.
Buffer make_opening_payload(const format::Metadata& metadata, Epoch epoch);

// The end of a log of frames, as far as it was looked at.
struct FrameChain {
  std::uint64_t frames = 0;
  AggregationNumber first = 0;  // that may be, or is, in this log
  AggregationNumber next = 0;
  Hash256 first_prev;  // of the aggregation before `first`
  Hash256 last;        // of the one before `next`

  // Accepts the next frame, or says why it is none of this log.
  Status append(const EpochLog& log, const FrameHead& head, ConstByteSpan payload);
};

// Cuts a log into frames and checks each. The log begins with the first byte, or where `chain` has
// got to.
class FrameVerifier {
 public:
  FrameVerifier(EpochLog log, FrameChain chain) : log_(log), chain_(chain) {}
  Status take(ConstByteSpan piece);
  bool at_frame_end() const { return bytes_.empty(); }
  const FrameChain& chain() const { return chain_; }

 private:
  Status complete();

  const EpochLog log_;
  FrameChain chain_;
  std::optional<FrameHead> head_;
  std::vector<std::byte> bytes_;  // of the frame that has begun: its head, then its payload
};

}  // namespace tlog::logset
