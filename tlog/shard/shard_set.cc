#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"
#include "tlog/shard/erasure.h"
#include "tlog/shard/layout.h"
#include "tlog/shard/shard.h"

namespace tlog::shard {
namespace {
template <class T>
void put(std::byte* header, std::size_t at, const T& value) {
  std::memcpy(header + at, &value, sizeof value);
}
}  // namespace

ShardSet::ShardSet(Geometry geometry, Identity identity, Buffer sealed, std::size_t sealed_length)
    : geometry_(geometry),
      identity_(identity),
      piece_length_(shard::piece_length(geometry, sealed_length)),
      sealed_(std::move(sealed)),
      parity_(geometry.parity * piece_length_),
      headers_(geometry.total() * kShardHeaderBytes),
      trailers_(geometry.total() * kShardTrailerBytes) {
  TLOG_ASSERT(check(geometry));
  TLOG_ASSERT(sealed_length > 0 && sealed_length <= kSealedMax && sealed_length <= sealed_.size());
  const std::size_t needed = geometry_.data * piece_length_;
  if (sealed_.capacity() < needed) {
    Buffer larger(needed);
    std::memcpy(larger.data(), sealed_.data(), sealed_length);
    sealed_ = std::move(larger);
  }
  std::memset(sealed_.data() + sealed_length, 0, needed - sealed_length);
  encode_parity();
  write_envelopes(sealed_length);
}

std::byte* ShardSet::piece(unsigned index) {
  return index < geometry_.data ? sealed_.data() + index * piece_length_
                                : parity_.data() + (index - geometry_.data) * piece_length_;
}

void ShardSet::encode_parity() {
  std::array<std::byte*, kDataShardsMax + kParityShardsMax> pieces{};
  for (unsigned i = 0; i < geometry_.total(); ++i) pieces[i] = piece(i);
  const std::span<std::byte* const> all(pieces);
  encode_parity_pieces(geometry_, piece_length_, all.first(geometry_.data),
                       all.subspan(geometry_.data, geometry_.parity));
}

void ShardSet::write_envelopes(std::size_t sealed_length) {
  std::memset(headers_.data(), 0, headers_.size());
  for (unsigned i = 0; i < geometry_.total(); ++i) {
    std::byte* header = headers_.data() + i * kShardHeaderBytes;
    std::memcpy(header, layout::kMagic.data(), layout::kMagic.size());
    put(header, layout::kVersionAt, layout::kVersion);
    put(header, layout::kDataAt, static_cast<std::uint8_t>(geometry_.data));
    put(header, layout::kParityAt, static_cast<std::uint8_t>(geometry_.parity));
    put(header, layout::kIndexAt, static_cast<std::uint8_t>(i));
    put(header, layout::kVdiskAt, identity_.vdisk.bytes);
    put(header, layout::kEpochAt, identity_.epoch);
    put(header, layout::kNumberAt, identity_.number);
    put(header, layout::kPieceLengthAt, static_cast<std::uint64_t>(piece_length_));
    put(header, layout::kSealedLengthAt, static_cast<std::uint64_t>(sealed_length));
    put(header, layout::kHashAt, identity_.aggregation_hash.bytes);
    const std::uint32_t crc =
        crc32c({piece(i), piece_length_}, crc32c({header, kShardHeaderBytes}));
    std::memcpy(trailers_.data() + i * kShardTrailerBytes, &crc, sizeof crc);
  }
}

std::size_t ShardSet::shard_bytes() const {
  return kShardHeaderBytes + piece_length_ + kShardTrailerBytes;
}

std::vector<ConstByteSpan> ShardSet::pieces(unsigned index) const {
  TLOG_ASSERT(index < geometry_.total());
  const std::byte* piece = index < geometry_.data
                               ? sealed_.data() + index * piece_length_
                               : parity_.data() + (index - geometry_.data) * piece_length_;
  return {{headers_.data() + index * kShardHeaderBytes, kShardHeaderBytes},
          {piece, piece_length_},
          {trailers_.data() + index * kShardTrailerBytes, kShardTrailerBytes}};
}

}  // namespace tlog::shard
