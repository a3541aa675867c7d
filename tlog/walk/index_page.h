// File: tlog/walk/index_page.h
// Index pages as they are stored: sealed, whole, the same on every store. tlog/flush writes them,
// LogReader reads them. Threading: pure functions. Errors: kCorruption when a page is not what it
// should be: it is only an index, readers then read the log itself.
#pragma once

#include "tlog/base/limits.h"
#include "tlog/format/metadata.h"
#include "tlog/seal/sealer.h"

namespace tlog::walk {

constexpr AggregationNumber page_first(std::uint64_t page) {
  return page * kIndexPageAggregations + 1;
}
constexpr AggregationNumber page_last(std::uint64_t page) {
  return (page + 1) * kIndexPageAggregations;
}
constexpr std::uint64_t page_of(AggregationNumber number) {
  return (number - 1) / kIndexPageAggregations;
}

Result<Buffer> seal_page(const seal::Sealer& sealer, const Uuid& vdisk,
                         const format::IndexPage& page);
Result<format::IndexPage> open_page(const seal::Sealer& sealer, const Uuid& vdisk,
                                    std::uint64_t page, ConstByteSpan stored);
Hash256 page_hash(const format::IndexPage& page);

}  // namespace tlog::walk
