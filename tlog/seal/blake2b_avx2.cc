// Compiled with -mavx2; see blake2b_kernel.h for why so little is included.
#include <immintrin.h>

#include "tlog/seal/blake2b_lanes.h"

namespace tlog::seal {
namespace {
using Vector = __m256i;
inline Vector add(Vector a, Vector b) {
  return _mm256_add_epi64(a, b);
}
inline Vector exclusive_or(Vector a, Vector b) {
  return _mm256_xor_si256(a, b);
}
inline Vector same(std::uint64_t word, Vector) {
  return _mm256_set1_epi64x(static_cast<long long>(word));
}
inline Vector rotate32(Vector a) {
  return _mm256_shuffle_epi32(a, 0xb1);
}
inline Vector rotate24(Vector a) {
  return _mm256_shuffle_epi8(
      a, _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1,
                          2, 11, 12, 13, 14, 15, 8, 9, 10));
}
inline Vector rotate16(Vector a) {
  return _mm256_shuffle_epi8(
      a, _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0,
                          1, 10, 11, 12, 13, 14, 15, 8, 9));
}
inline Vector rotate63(Vector a) {
  return _mm256_or_si256(_mm256_srli_epi64(a, 63), _mm256_add_epi64(a, a));
}
}  // namespace
}  // namespace tlog::seal

#include "tlog/seal/blake2b_kernel.h"

namespace tlog::seal {
namespace {

// Four words of each of four lanes become four vectors, each one word of all lanes.
TLOG_ALWAYS_INLINE void load_words(const unsigned char* const* messages, std::size_t offset,
                                   Vector* words) {
  auto load = [&](int lane) {
    return _mm256_loadu_si256(reinterpret_cast<const Vector*>(messages[lane] + offset));
  };
  const Vector a = load(0);
  const Vector b = load(1);
  const Vector c = load(2);
  const Vector d = load(3);
  const Vector ab_even = _mm256_unpacklo_epi64(a, b);
  const Vector ab_odd = _mm256_unpackhi_epi64(a, b);
  const Vector cd_even = _mm256_unpacklo_epi64(c, d);
  const Vector cd_odd = _mm256_unpackhi_epi64(c, d);
  words[0] = _mm256_permute2x128_si256(ab_even, cd_even, 0x20);
  words[1] = _mm256_permute2x128_si256(ab_odd, cd_odd, 0x20);
  words[2] = _mm256_permute2x128_si256(ab_even, cd_even, 0x31);
  words[3] = _mm256_permute2x128_si256(ab_odd, cd_odd, 0x31);
}

}  // namespace

void blake2b_blocks_avx2(const LaneBlocks& blocks) {
  Vector h[8];
  for (int i = 0; i < 8; ++i)
    h[i] = _mm256_load_si256(reinterpret_cast<const Vector*>(blocks.states + 4 * i));
  Vector total = _mm256_loadu_si256(reinterpret_cast<const Vector*>(blocks.totals));
  const Vector last = _mm256_loadu_si256(reinterpret_cast<const Vector*>(blocks.last));
  for (std::size_t block = 0; block < blocks.count; ++block) {
    Vector m[16];
    for (std::size_t i = 0; i < 4; ++i)
      load_words(blocks.messages, block * 128 + i * 32, m + 4 * i);
    compress(h, m, total, last);
    total = _mm256_add_epi64(total, _mm256_set1_epi64x(128));
  }
  for (int i = 0; i < 8; ++i)
    _mm256_store_si256(reinterpret_cast<Vector*>(blocks.states + 4 * i), h[i]);
}

}  // namespace tlog::seal
