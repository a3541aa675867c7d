// File: tlog/seal/blake2b_kernel.h
// BLAKE2b's compression (RFC 7693, section 3.2) of one block in each of several lanes, written once
// over a vector type V that knows add, exclusive or, and the four rotations. Included by the
// kernels' .cc files, each compiled for its own instruction set, and by nothing else: everything is
// in an unnamed namespace, so that no code for one CPU is ever linked into a path for another. No
// standard library here for the same reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tlog::seal {
namespace {

#define TLOG_ALWAYS_INLINE __attribute__((always_inline)) inline

constexpr std::uint64_t kIv[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                  0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                  0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

constexpr unsigned kSigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                     {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                     {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                     {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                     {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                     {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                     {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                     {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                     {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                     {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

template <class V>
TLOG_ALWAYS_INLINE void mix(V& a, V& b, V& c, V& d, V x, V y) {
  a = add(add(a, b), x);
  d = rotate32(exclusive_or(d, a));
  c = add(c, d);
  b = rotate24(exclusive_or(b, c));
  a = add(add(a, b), y);
  d = rotate16(exclusive_or(d, a));
  c = add(c, d);
  b = rotate63(exclusive_or(b, c));
}

// The round is a template parameter so that every index is a constant and v and m stay in
// registers.
template <unsigned R, class V>
TLOG_ALWAYS_INLINE void round(V* v, const V* m) {
  constexpr const unsigned* s = kSigma[R % 10];
  mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
  mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
  mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
  mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
  mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
  mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
  mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
  mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
}

// h: the lanes' states; m: the block's sixteen words; t: bytes hashed with this block; last: all
// ones in lanes that end.
template <class V>
TLOG_ALWAYS_INLINE void compress(V* h, const V* m, V t, V last) {
  V v[16] = {h[0],
             h[1],
             h[2],
             h[3],
             h[4],
             h[5],
             h[6],
             h[7],
             same(kIv[0], t),
             same(kIv[1], t),
             same(kIv[2], t),
             same(kIv[3], t),
             exclusive_or(same(kIv[4], t), t),
             same(kIv[5], t),
             exclusive_or(same(kIv[6], t), last),
             same(kIv[7], t)};
  round<0>(v, m);
  round<1>(v, m);
  round<2>(v, m);
  round<3>(v, m);
  round<4>(v, m);
  round<5>(v, m);
  round<6>(v, m);
  round<7>(v, m);
  round<8>(v, m);
  round<9>(v, m);
  round<10>(v, m);
  round<11>(v, m);
  for (int i = 0; i < 8; ++i) h[i] = exclusive_or(h[i], exclusive_or(v[i], v[i + 8]));
}

}  // namespace
}  // namespace tlog::seal
