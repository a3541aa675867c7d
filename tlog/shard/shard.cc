#include "tlog/shard/shard.h"

#include <fmt/format.h>

#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"
#include "tlog/shard/layout.h"

namespace tlog::shard {
namespace {

constexpr std::size_t kPieceAlignment = 64;

template <class T>
T get(ConstByteSpan bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Status check_envelope(ConstByteSpan stored) {
  if (stored.size() < kShardHeaderBytes + kShardTrailerBytes) {
    return fail(Code::kCorruption, fmt::format("shard: length {}", stored.size()));
  }
  if (std::memcmp(stored.data(), layout::kMagic.data(), layout::kMagic.size()) != 0) {
    return fail(Code::kCorruption, "shard: wrong magic");
  }
  // The checksum comes before the version, so that a damaged version is not taken for a newer one.
  ConstByteSpan covered = stored.first(stored.size() - kShardTrailerBytes);
  if (crc32c(covered) != get<std::uint32_t>(stored, covered.size())) {
    return fail(Code::kCorruption, "shard: wrong checksum");
  }
  const auto version = get<std::uint16_t>(stored, layout::kVersionAt);
  if (version > layout::kVersion) {
    return fail(Code::kNotSupported,
                fmt::format("shard: version {} is newer than this program's {}; upgrade", version,
                            layout::kVersion));
  }
  if (version == 0 ||
      !all_zero(stored.subspan(layout::kIndexAt + 1, layout::kVdiskAt - layout::kIndexAt - 1)) ||
      !all_zero(stored.subspan(layout::kReservedAt, kShardHeaderBytes - layout::kReservedAt))) {
    return fail(Code::kCorruption, "shard: a reserved field is not zero");
  }
  return {};
}

}  // namespace

Status check(const Geometry& geometry) {
  if (geometry.data == 0 || geometry.data > kDataShardsMax || geometry.parity > kParityShardsMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("shards: {}+{}: data shards are 1 to {}, parity shards 0 to {}",
                            geometry.data, geometry.parity, kDataShardsMax, kParityShardsMax));
  }
  return {};
}

std::size_t piece_length(const Geometry& geometry, std::size_t sealed_length) {
  return static_cast<std::size_t>(
      round_up((sealed_length + geometry.data - 1) / geometry.data, kPieceAlignment));
}

std::size_t tail_room(const Geometry& geometry, std::size_t sealed_length) {
  return geometry.data * piece_length(geometry, sealed_length) - sealed_length;
}

std::optional<std::uint64_t> stored_length(ConstByteSpan header) {
  if (header.size() < kShardHeaderBytes ||
      std::memcmp(header.data(), layout::kMagic.data(), layout::kMagic.size()) != 0) {
    return std::nullopt;
  }
  const auto length = get<std::uint64_t>(header, layout::kPieceLengthAt);
  if (length > kSealedMax + kPieceAlignment) return std::nullopt;
  return kShardHeaderBytes + length + kShardTrailerBytes;
}

Result<ShardView> parse(ConstByteSpan stored) {
  TLOG_TRY(check_envelope(stored));
  ShardView view;
  view.geometry.data = get<std::uint8_t>(stored, layout::kDataAt);
  view.geometry.parity = get<std::uint8_t>(stored, layout::kParityAt);
  view.index = get<std::uint8_t>(stored, layout::kIndexAt);
  view.sealed_length = get<std::uint64_t>(stored, layout::kSealedLengthAt);
  if (!check(view.geometry) || view.index >= view.geometry.total()) {
    return fail(Code::kCorruption, fmt::format("shard: index {} of {}+{}", view.index,
                                               view.geometry.data, view.geometry.parity));
  }
  if (view.sealed_length == 0 || view.sealed_length > kSealedMax) {
    return fail(Code::kCorruption, fmt::format("shard: sealed length {}", view.sealed_length));
  }
  const std::size_t length = piece_length(view.geometry, view.sealed_length);
  if (get<std::uint64_t>(stored, layout::kPieceLengthAt) != length ||
      stored.size() != kShardHeaderBytes + length + kShardTrailerBytes) {
    return fail(Code::kCorruption, fmt::format("shard: a piece of {} in {} bytes, expected {}",
                                               get<std::uint64_t>(stored, layout::kPieceLengthAt),
                                               stored.size(), length));
  }
  view.identity.vdisk.bytes = get<decltype(Uuid::bytes)>(stored, layout::kVdiskAt);
  view.identity.epoch = get<std::uint64_t>(stored, layout::kEpochAt);
  view.identity.number = get<std::uint64_t>(stored, layout::kNumberAt);
  view.identity.aggregation_hash.bytes = get<decltype(Hash256::bytes)>(stored, layout::kHashAt);
  view.piece = stored.subspan(kShardHeaderBytes, length);
  return view;
}

}  // namespace tlog::shard
