#include <fmt/format.h>

#include "tlog/base/limits.h"
#include "tlog/shard/erasure.h"
#include "tlog/shard/shard.h"

namespace tlog::shard {
namespace {

std::string name_of(const ShardView& shard) {
  return fmt::format("shard {} of {}+{} ({} bytes) of aggregation {} ({}) of epoch {} of vdisk {}",
                     shard.index, shard.geometry.data, shard.geometry.parity, shard.sealed_length,
                     shard.identity.number, shard.identity.aggregation_hash.hex().substr(0, 16),
                     shard.identity.epoch, shard.identity.vdisk.text());
}

Status check_agreement(std::span<const ShardView> shards) {
  const ShardView& first = shards.front();
  TLOG_TRY(check(first.geometry));
  for (const ShardView& shard : shards) {
    if (shard.identity != first.identity || shard.geometry != first.geometry ||
        shard.sealed_length != first.sealed_length) {
      return fail(Code::kCorruption, fmt::format("shards: {} and {} do not belong together",
                                                 name_of(first), name_of(shard)));
    }
    if (shard.index >= shard.geometry.total() || shard.sealed_length == 0 ||
        shard.sealed_length > kSealedMax ||
        shard.piece.size() != piece_length(shard.geometry, shard.sealed_length)) {
      return fail(Code::kCorruption, fmt::format("shards: {}: a piece of {} bytes", name_of(shard),
                                                 shard.piece.size()));
    }
  }
  return {};
}

// k shards, data first; null where index i is not used.
using Chosen = std::array<const ShardView*, kDataShardsMax + kParityShardsMax>;
Result<Chosen> choose(std::span<const ShardView> shards) {
  Chosen by_index{};
  for (const ShardView& shard : shards) {
    if (by_index[shard.index] == nullptr) by_index[shard.index] = &shard;
  }
  const unsigned needed = shards.front().geometry.data;
  unsigned count = 0;
  for (const ShardView*& shard : by_index) {
    if (shard == nullptr) continue;
    if (count == needed)
      shard = nullptr;
    else
      ++count;
  }
  if (count < needed) {
    return fail(Code::kUnavailable,
                fmt::format("shards: {} of {} needed are there", count, needed));
  }
  return by_index;
}

}  // namespace

Result<Decoded> decode(std::span<const ShardView> shards) {
  if (shards.empty()) return fail(Code::kUnavailable, "shards: none is there");
  TLOG_TRY(check_agreement(shards));
  TLOG_ASSIGN(const Chosen chosen, choose(shards));
  const Geometry geometry = shards.front().geometry;
  const std::size_t length = shards.front().piece.size();

  std::array<unsigned, kDataShardsMax> rows{};
  std::array<const std::byte*, kDataShardsMax> present{};
  std::array<unsigned, kParityShardsMax> missing{};
  std::array<std::byte*, kParityShardsMax> into{};
  std::size_t present_count = 0;
  std::size_t missing_count = 0;
  for (unsigned i = 0; i < geometry.total(); ++i) {
    if (chosen[i] != nullptr) {
      rows[present_count] = i;
      present[present_count++] = chosen[i]->piece.data();
    } else if (i < geometry.data) {
      missing[missing_count++] = i;  // at most m: k of k+m are there
    }
  }
  Decoded decoded;
  if (missing_count > 0) {
    decoded.rebuilt = Buffer(missing_count * length);
    for (std::size_t i = 0; i < missing_count; ++i) into[i] = decoded.rebuilt.data() + i * length;
    TLOG_TRY(rebuild_pieces(geometry,
                            {.length = length,
                             .rows = std::span(rows).first(present_count),
                             .present = std::span(present).first(present_count),
                             .missing = std::span(missing).first(missing_count)},
                            std::span<std::byte* const>(into).first(missing_count)));
  }
  std::size_t left = shards.front().sealed_length;
  std::size_t rebuilt = 0;
  for (unsigned i = 0; i < geometry.data; ++i) {
    const std::byte* piece = chosen[i] != nullptr ? chosen[i]->piece.data() : into[rebuilt++];
    decoded.pieces.emplace_back(piece, std::min(left, length));
    left -= decoded.pieces.back().size();
  }
  return decoded;
}

}  // namespace tlog::shard
