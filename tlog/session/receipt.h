// File: tlog/session/receipt.h
// A failover's receipt as JSON: what stands in its file, what a server tells tlogctl, and what
// tlogctl prints. Versioned; docs/format.md ("Receipt").
// Threading: pure functions. Errors: kCorruption (no receipt, or not all of one), kNotSupported (of
// a newer version).
#pragma once

#include <string>
#include <string_view>

#include "tlog/session/standby.h"

namespace tlog::session {

// What is longer is no receipt.
constexpr std::size_t kReceiptBytesMax = 64 * kMiB;
// Byte ranges in a summary, of all that is lost together.
constexpr std::size_t kReceiptSummaryRanges = 100;

// All of it, in lines for people to read too, with the final newline: the contents of its file.
std::string receipt_json(const Receipt& receipt);
// The same for where there is little room: of many byte ranges only the first ones, and how many
// there are more, which stand in the file.
std::string receipt_summary_json(const Receipt& receipt);

// Reads either. Keys that are not known are ignored.
Result<Receipt> parse_receipt(std::string_view text);

}  // namespace tlog::session
