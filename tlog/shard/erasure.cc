#include "tlog/shard/erasure.h"

#include <isa-l/erasure_code.h>

#include "tlog/base/assert.h"
#include "tlog/base/limits.h"

namespace tlog::shard {
namespace {

constexpr std::size_t kRowsMax = kDataShardsMax + kParityShardsMax;
constexpr std::size_t kTableBytes = 32;  // ISA-L's, per coefficient

// Rows 0 .. k-1 are the identity (data shards are the data itself), rows k .. k+m-1 make the
// parity.
struct Matrix {
  std::array<unsigned char, kRowsMax * kDataShardsMax> cells{};
  explicit Matrix(const Geometry& geometry) {
    gf_gen_cauchy1_matrix(cells.data(), static_cast<int>(geometry.total()),
                          static_cast<int>(geometry.data));
  }
  const unsigned char* row(unsigned index, unsigned width) const {
    return cells.data() + std::size_t{index} * width;
  }
};

// out[r] = sum over i of coefficients[r][i] * in[i]
void multiply(std::size_t length, unsigned width, unsigned rows, unsigned char* coefficients,
              unsigned char** in, unsigned char** out) {
  std::array<unsigned char, kTableBytes * kDataShardsMax * kDataShardsMax> tables;
  ec_init_tables(static_cast<int>(width), static_cast<int>(rows), coefficients, tables.data());
  ec_encode_data(static_cast<int>(length), static_cast<int>(width), static_cast<int>(rows),
                 tables.data(), in, out);
}

}  // namespace

void encode_parity_pieces(const Geometry& geometry, std::size_t length,
                          std::span<std::byte* const> data, std::span<std::byte* const> parity) {
  TLOG_ASSERT(data.size() == geometry.data && parity.size() == geometry.parity);
  if (parity.empty()) return;
  Matrix matrix(geometry);
  std::array<unsigned char*, kDataShardsMax> in{};
  std::array<unsigned char*, kParityShardsMax> out{};
  for (std::size_t i = 0; i < data.size(); ++i) in[i] = reinterpret_cast<unsigned char*>(data[i]);
  for (std::size_t i = 0; i < parity.size(); ++i)
    out[i] = reinterpret_cast<unsigned char*>(parity[i]);
  multiply(length, geometry.data, geometry.parity,
           matrix.cells.data() + std::size_t{geometry.data} * geometry.data, in.data(), out.data());
}

Status rebuild_pieces(const Geometry& geometry, const RebuildInput& input,
                      std::span<std::byte* const> into) {
  const unsigned k = geometry.data;
  TLOG_ASSERT(input.rows.size() == k && input.present.size() == k &&
              input.missing.size() == into.size());
  TLOG_ASSERT(into.size() <= kParityShardsMax);
  Matrix matrix(geometry);
  std::array<unsigned char, kDataShardsMax * kDataShardsMax> square{};
  std::array<unsigned char, kDataShardsMax * kDataShardsMax> inverse{};
  std::array<unsigned char*, kDataShardsMax> in{};
  for (unsigned i = 0; i < k; ++i) {
    std::memcpy(square.data() + std::size_t{i} * k, matrix.row(input.rows[i], k), k);
    // ISA-L's interface knows no const; it does not write to its input.
    in[i] = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(input.present[i]));
  }
  if (gf_invert_matrix(square.data(), inverse.data(), static_cast<int>(k)) != 0) {
    return fail(Code::kCorruption, "shards: these indices do not determine the data");
  }
  std::array<unsigned char, kParityShardsMax * kDataShardsMax> coefficients{};
  std::array<unsigned char*, kParityShardsMax> out{};
  for (std::size_t i = 0; i < into.size(); ++i) {
    std::memcpy(coefficients.data() + i * k, inverse.data() + std::size_t{input.missing[i]} * k, k);
    out[i] = reinterpret_cast<unsigned char*>(into[i]);
  }
  multiply(input.length, k, static_cast<unsigned>(into.size()), coefficients.data(), in.data(),
           out.data());
  return {};
}

}  // namespace tlog::shard
