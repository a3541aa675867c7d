// format::decode(): whatever is accepted obeys the rules, and says the same when it is encoded and
// decoded again.
#include "tests/fuzz/fuzz.h"
#include "tlog/format/aggregation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tlog;
  // A heap copy of the exact size, aligned as buffers are: the sanitizer sees every byte read
  // beyond it.
  std::vector<std::uint64_t> words((size + 7) / 8 + 1);
  std::memcpy(words.data(), data, size);
  auto decoded = format::decode(std::as_bytes(std::span(words)).first(size));
  if (!decoded) {
    TLOG_ASSERT(!decoded.error().message().empty());
    return 0;
  }
  TLOG_ASSERT(format::check(*decoded));
  Buffer table = format::encode_table(*decoded);
  std::vector<std::byte> again(table.data(), table.data() + table.size());
  for (const auto& record : decoded->records)
    again.insert(again.end(), record.data.begin(), record.data.end());
  auto second = format::decode(again);
  TLOG_ASSERT(second && second->records.size() == decoded->records.size());
  return 0;
}
