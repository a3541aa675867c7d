#include "gateways/frames/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "tlog/base/crc32c.h"
#include "tlog/base/hex.h"
#include "tlog/base/limits.h"

namespace tlog::logset {
namespace {

constexpr char kMagic[] = "TLOGFRAM";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kCrcAt = 64;
constexpr shard::Geometry kWhole{.data = 1, .parity = 0};
constexpr std::uint64_t kPayloadMax =
    kSealedMax + 4 * kKiB;  // of an opening: metadata, which is smaller still

template <class T>
void put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}
template <class T>
T get(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

Error wrong(std::string_view what) {
  return {Code::kCorruption, fmt::format("logset: frame: {}", what)};
}

Error another_history(AggregationNumber number) {
  return {Code::kFenced,
          fmt::format("logset: fork: aggregation {} does not follow the one that is here: the "
                      "log was written twice from there on; keep the one whose vdisk is in use",
                      number)};
}

}  // namespace

std::array<std::byte, kFrameHeadBytes> encode_frame_head(const FrameHead& head) {
  std::array<std::byte, kFrameHeadBytes> bytes{};
  std::memcpy(bytes.data(), kMagic, 8);
  put(bytes.data() + 8, kVersion);
  put(bytes.data() + 10, static_cast<std::uint8_t>(head.kind));
  put(bytes.data() + 16, head.number);
  put(bytes.data() + 24, head.payload_bytes);
  std::memcpy(bytes.data() + 32, head.prev.bytes.data(), head.prev.bytes.size());
  put(bytes.data() + kCrcAt, crc32c(ConstByteSpan(bytes).first(kCrcAt)));
  return bytes;
}

Result<FrameHead> decode_frame_head(std::span<const std::byte, kFrameHeadBytes> bytes) {
  if (std::memcmp(bytes.data(), kMagic, 8) != 0) return fail(wrong("none begins here"));
  if (get<std::uint32_t>(bytes.data() + kCrcAt) != crc32c(ConstByteSpan(bytes).first(kCrcAt))) {
    return fail(wrong("the checksum of its head is wrong"));
  }
  const auto version = get<std::uint16_t>(bytes.data() + 8);
  if (version > kVersion) {
    return fail(
        Code::kNotSupported,
        fmt::format("logset: frame: version {} is newer than this program; upgrade", version));
  }
  FrameHead head;
  const auto kind = get<std::uint8_t>(bytes.data() + 10);
  head.kind = static_cast<FrameKind>(kind);
  head.number = get<std::uint64_t>(bytes.data() + 16);
  head.payload_bytes = get<std::uint64_t>(bytes.data() + 24);
  std::memcpy(head.prev.bytes.data(), bytes.data() + 32, head.prev.bytes.size());
  const bool reserved_clear =
      all_zero(bytes.subspan<11, 5>()) && all_zero(bytes.subspan<kCrcAt + 4, 4>());
  if (version != kVersion || (kind != 1 && kind != 2) || head.number == 0 || !reserved_clear ||
      head.payload_bytes == 0 || head.payload_bytes > kPayloadMax) {
    return fail(wrong("its head says what cannot be"));
  }
  return head;
}

std::string epoch_log_name(const Uuid& vdisk, Epoch epoch) {
  return fmt::format("{}e{}", to_hex(std::as_bytes(std::span(vdisk.bytes))), epoch);
}

std::optional<EpochLog> parse_epoch_log_name(std::string_view name) {
  EpochLog log;
  if (name.size() < 34 || name[32] != 'e' || name[33] == '0' ||
      !read_hex(name.substr(0, 32), std::as_writable_bytes(std::span(log.vdisk.bytes)))) {
    return std::nullopt;
  }
  const auto read = std::from_chars(name.data() + 33, name.data() + name.size(), log.epoch);
  if (read.ec != std::errc() || read.ptr != name.data() + name.size()) return std::nullopt;
  // Upper-case digits would be a second name of the same log.
  if (epoch_log_name(log.vdisk, log.epoch) != name) return std::nullopt;
  return log;
}

std::uint64_t aggregation_payload_bytes(std::uint64_t sealed_length) {
  return shard::kShardHeaderBytes + shard::piece_length(kWhole, sealed_length) +
         shard::kShardTrailerBytes;
}

Buffer make_aggregation_payload(const shard::Identity& identity, Buffer sealed,
                                std::size_t sealed_length) {
  const shard::ShardSet set(kWhole, identity, std::move(sealed), sealed_length);
  Buffer payload(set.shard_bytes());
  std::size_t at = 0;
  for (ConstByteSpan piece : set.pieces(0)) {
    std::memcpy(payload.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  return payload;
}

Buffer make_opening_payload(const format::Metadata& metadata, Epoch epoch) {
  format::Metadata opening;
  opening.generation = epoch;
  opening.format = metadata.format;
  opening.key_id = metadata.key_id;
  for (const format::EpochEntry& entry : metadata.epochs) {
    if (entry.epoch <= epoch) opening.epochs.push_back(entry);
  }
  return format::encode_metadata(opening);
}

Status FrameChain::append(const EpochLog& log, const FrameHead& head, ConstByteSpan payload) {
  if ((frames == 0) != (head.kind == FrameKind::kOpening)) {
    return fail(wrong(frames == 0 ? "a log has to begin with its opening"
                                  : "an opening in the middle of a log"));
  }
  if (head.kind == FrameKind::kOpening) {
    TLOG_ASSIGN(const format::Metadata opening, format::decode_metadata(payload));
    if (opening.format.vdisk != log.vdisk || opening.epochs.empty() ||
        opening.epochs.back().epoch != log.epoch ||
        opening.epochs.back().first_number != head.number) {
      return fail(wrong("the opening is that of another log than the name says"));
    }
    *this = {.frames = 1,
             .first = head.number,
             .next = head.number,
             .first_prev = head.prev,
             .last = head.prev};
    return {};
  }
  TLOG_ASSIGN(const shard::ShardView view, shard::parse(payload));
  if (view.geometry != kWhole || view.identity.vdisk != log.vdisk ||
      view.identity.epoch != log.epoch || view.identity.number != head.number) {
    return fail(wrong("it holds another aggregation than the name and its head say"));
  }
  if (head.number != next || head.prev != last) return fail(another_history(head.number));
  ++frames;
  ++next;
  last = view.identity.aggregation_hash;
  return {};
}

Status FrameVerifier::take(ConstByteSpan piece) {
  while (!piece.empty()) {
    const std::uint64_t wanted = kFrameHeadBytes + (head_ ? head_->payload_bytes : 0);
    const std::size_t size = std::min<std::uint64_t>(wanted - bytes_.size(), piece.size());
    bytes_.insert(bytes_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(size));
    piece = piece.subspan(size);
    if (bytes_.size() < wanted) return {};
    if (head_) {
      TLOG_TRY(complete());
    } else {
      TLOG_ASSIGN(head_, decode_frame_head(ConstByteSpan(bytes_).first<kFrameHeadBytes>()));
    }
  }
  return {};
}

Status FrameVerifier::complete() {
  const Status good = chain_.append(log_, *head_, ConstByteSpan(bytes_).subspan(kFrameHeadBytes));
  head_.reset();
  bytes_.clear();
  return good;
}

}  // namespace tlog::logset
