// File: tlog/walk/index_page.cc
#include "tlog/walk/index_page.h"

#include <fmt/format.h>

#include "tlog/base/limits.h"
#include "tlog/seal/hash.h"

namespace tlog::walk {
namespace {

std::string context(const Uuid& vdisk, std::uint64_t page) {
  return fmt::format("tlog index page {} {}", vdisk.text(), page);
}

}  // namespace

Result<Buffer> seal_page(const seal::Sealer& sealer, const Uuid& vdisk,
                         const format::IndexPage& page) {
  return sealer.seal_blob(format::encode_index_page(page).span(), context(vdisk, page.page));
}

Result<format::IndexPage> open_page(const seal::Sealer& sealer, const Uuid& vdisk,
                                    std::uint64_t page, ConstByteSpan stored) {
  TLOG_ASSIGN(Buffer plain, sealer.open_blob(stored, context(vdisk, page)));
  TLOG_ASSIGN(format::IndexPage decoded, format::decode_index_page(plain.span()));
  bool dense = decoded.page == page && decoded.entries.size() == kIndexPageAggregations;
  for (std::size_t i = 0; dense && i < decoded.entries.size(); ++i) {
    dense = decoded.entries[i].number == page_first(page) + i;
  }
  if (!dense)
    return fail(Code::kCorruption, fmt::format("index page {}: lists other aggregations", page));
  return decoded;
}

Hash256 page_hash(const format::IndexPage& page) {
  return seal::hash_one(format::encode_index_page(page).span());
}

}  // namespace tlog::walk
