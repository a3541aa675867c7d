// File: tlog/shard/shard.h
// Cuts sealed bytes into k data shards and m parity shards (ISA-L, Cauchy Reed-Solomon over
// GF(2^8)), each self-describing and checksummed. Step 5 of a write's way.
//
// Stored shard: 128-byte header {magic, version, vdisk uuid, epoch, aggregation number, k, m,
// index, piece length, sealed length, aggregation hash}, the piece, CRC-32C of header and piece.
// The data pieces are slices of the sealed bytes (the last one zero-padded), so decoding with all
// data shards present copies nothing. Never trust a shard because of where it was found: parse()
// checks it, decode() checks that all agree.
//
// Threading: pure functions and values.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/types.h"

namespace tlog::shard {

struct Geometry {
  unsigned data = 4;    // 1 .. kDataShardsMax
  unsigned parity = 2;  // 0 .. kParityShardsMax
  unsigned total() const { return data + parity; }
  friend bool operator==(const Geometry&, const Geometry&) = default;
};
Status check(const Geometry& geometry);

// What all shards of an aggregation have in common.
struct Identity {
  Uuid vdisk;
  Epoch epoch = 0;
  AggregationNumber number = 0;
  Hash256 aggregation_hash;
  friend bool operator==(const Identity&, const Identity&) = default;
};

constexpr std::size_t kShardHeaderBytes = 128;
constexpr std::size_t kShardTrailerBytes = 4;

// The length of each piece: ceil(sealed / k), rounded up to 64 bytes.
std::size_t piece_length(const Geometry& geometry, std::size_t sealed_length);
// How much room behind the sealed bytes ShardSet needs to cut in place: k * piece_length -
// sealed_length.
std::size_t tail_room(const Geometry& geometry, std::size_t sealed_length);
// The most that tail_room() can be, for who does not know the sealed length yet.
constexpr std::size_t tail_room_max(const Geometry& geometry) { return std::size_t{64} * geometry.data; }

// The encoded set: owns headers, parity and trailers; points into the sealed buffer it was given,
// which it owns too.
class ShardSet {
 public:
  // Zeroes the room behind the sealed bytes; a buffer that has none is copied into a larger one.
  ShardSet(Geometry geometry, Identity identity, Buffer sealed, std::size_t sealed_length);
  ShardSet(ShardSet&&) = default;
  ShardSet& operator=(ShardSet&&) = default;

  const Geometry& geometry() const { return geometry_; }
  const Identity& identity() const { return identity_; }
  std::size_t shard_bytes() const;  // of one stored shard
  // The stored bytes of shard `index`: header, piece, trailer. Valid as long as the set.
  std::vector<ConstByteSpan> pieces(unsigned index) const;

 private:
  std::byte* piece(unsigned index);
  void encode_parity();
  void write_envelopes(std::size_t sealed_length);

  Geometry geometry_;
  Identity identity_;
  std::size_t piece_length_ = 0;
  Buffer sealed_;
  Buffer parity_;
  Buffer headers_;   // total() headers
  Buffer trailers_;  // total() trailers
};

// One verified shard. `piece` points into the bytes it was parsed from.
struct ShardView {
  Identity identity;
  Geometry geometry;
  unsigned index = 0;
  std::uint64_t sealed_length = 0;
  ConstByteSpan piece;
};
// Errors: kCorruption naming what is wrong (magic, length, checksum, geometry), kNotSupported for a
// newer version.
Result<ShardView> parse(ConstByteSpan stored);
// How long the stored shard is that begins with these bytes, for who finds shards one behind the
// other; parse() has the last word. Nothing when no shard begins so.
std::optional<std::uint64_t> stored_length(ConstByteSpan header);

// The sealed bytes from any k distinct shards of one identity; data shards are preferred, a second
// shard of an index is not used. Errors: kCorruption when the shards disagree in identity, geometry
// or length (naming both, never a guess which is right), kUnavailable when fewer than k distinct
// ones are given.
struct Decoded {
  std::vector<ConstByteSpan>
      pieces;      // k pieces, the last cut so that they sum to the sealed length
  Buffer rebuilt;  // what had to be computed; pieces may point here
};
Result<Decoded> decode(std::span<const ShardView> shards);

}  // namespace tlog::shard
