// File: tlog/seal/blake2b_lanes.h
// The kernels: `count` blocks of 128 bytes in each of L lanes (4 or 8). Call one only where the CPU
// can run it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tlog::seal {

struct LaneBlocks {
  std::uint64_t* states;  // [8][L]: word w of lane l is states[w * L + l]; 64-byte aligned
  const unsigned char* const* messages;  // [L], the first block of each lane; any alignment
  std::size_t count;
  const std::uint64_t*
      totals;  // [L] bytes hashed with the first block; 128 more with each further one
  const std::uint64_t* last;  // [L] all ones where the (only) block ends the message
};

using LaneKernel = void (*)(const LaneBlocks&);
void blake2b_blocks_avx2(const LaneBlocks& blocks);    // 4 lanes
void blake2b_blocks_avx512(const LaneBlocks& blocks);  // 8 lanes

}  // namespace tlog::seal
