// File: tlog/shard/erasure.h
// The Reed-Solomon code over GF(2^8): ISA-L with a Cauchy matrix, whose every square part can be
// inverted, so any k of the k+m rows are enough for every geometry. Threading: pure.
#pragma once

#include <span>

#include "tlog/shard/shard.h"

namespace tlog::shard {

// Computes the m parity pieces from the k data pieces, each of `length` bytes.
void encode_parity_pieces(const Geometry& geometry, std::size_t length,
                          std::span<std::byte* const> data, std::span<std::byte* const> parity);

// Computes the data pieces `missing` from `present`: k pieces with the shard indices `rows`.
struct RebuildInput {
  std::size_t length = 0;
  std::span<const unsigned> rows;
  std::span<const std::byte* const> present;
  std::span<const unsigned> missing;
};
Status rebuild_pieces(const Geometry& geometry, const RebuildInput& input,
                      std::span<std::byte* const> into);

}  // namespace tlog::shard
