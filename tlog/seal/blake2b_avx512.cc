// Compiled with -mavx512f; see blake2b_kernel.h for why so little is included.
#include <immintrin.h>

#include "tlog/seal/blake2b_lanes.h"

namespace tlog::seal {
namespace {
using Vector = __m512i;
inline Vector add(Vector a, Vector b) {
  return _mm512_add_epi64(a, b);
}
inline Vector exclusive_or(Vector a, Vector b) {
  return _mm512_xor_si512(a, b);
}
inline Vector same(std::uint64_t word, Vector) {
  return _mm512_set1_epi64(static_cast<long long>(word));
}
inline Vector rotate32(Vector a) {
  return _mm512_ror_epi64(a, 32);
}
inline Vector rotate24(Vector a) {
  return _mm512_ror_epi64(a, 24);
}
inline Vector rotate16(Vector a) {
  return _mm512_ror_epi64(a, 16);
}
inline Vector rotate63(Vector a) {
  return _mm512_ror_epi64(a, 63);
}
}  // namespace
}  // namespace tlog::seal

#include "tlog/seal/blake2b_kernel.h"

namespace tlog::seal {
namespace {

// Eight words of each of eight lanes become eight vectors, each one word of all lanes.
TLOG_ALWAYS_INLINE void load_words(const unsigned char* const* messages, std::size_t offset,
                                   Vector* words) {
  Vector even[4];  // words 0, 2, 4, 6 of a pair of lanes
  Vector odd[4];
  for (int pair = 0; pair < 4; ++pair) {
    const Vector a = _mm512_loadu_si512(messages[2 * pair] + offset);
    const Vector b = _mm512_loadu_si512(messages[2 * pair + 1] + offset);
    even[pair] = _mm512_unpacklo_epi64(a, b);
    odd[pair] = _mm512_unpackhi_epi64(a, b);
  }
  auto gather = [&](const Vector* in, Vector* out) {
    const Vector low01 =
        _mm512_shuffle_i64x2(in[0], in[1], 0x88);  // words 0, 4 of lanes 0-1, then of 2-3
    const Vector high01 = _mm512_shuffle_i64x2(in[0], in[1], 0xdd);  // words 2, 6
    const Vector low23 = _mm512_shuffle_i64x2(in[2], in[3], 0x88);
    const Vector high23 = _mm512_shuffle_i64x2(in[2], in[3], 0xdd);
    out[0] = _mm512_shuffle_i64x2(low01, low23, 0x88);
    out[4] = _mm512_shuffle_i64x2(low01, low23, 0xdd);
    out[2] = _mm512_shuffle_i64x2(high01, high23, 0x88);
    out[6] = _mm512_shuffle_i64x2(high01, high23, 0xdd);
  };
  gather(even, words);
  gather(odd, words + 1);
}

}  // namespace

void blake2b_blocks_avx512(const LaneBlocks& blocks) {
  Vector h[8];
  for (int i = 0; i < 8; ++i) h[i] = _mm512_load_si512(blocks.states + 8 * i);
  Vector total = _mm512_loadu_si512(blocks.totals);
  const Vector last = _mm512_loadu_si512(blocks.last);
  for (std::size_t block = 0; block < blocks.count; ++block) {
    Vector m[16];
    load_words(blocks.messages, block * 128, m);
    load_words(blocks.messages, block * 128 + 64, m + 8);
    compress(h, m, total, last);
    total = _mm512_add_epi64(total, _mm512_set1_epi64(128));
  }
  for (int i = 0; i < 8; ++i) _mm512_store_si512(blocks.states + 8 * i, h[i]);
}

}  // namespace tlog::seal
