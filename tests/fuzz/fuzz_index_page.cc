// format::decode_index_page(), as it comes and with the checksum put right; what is accepted can be
// encoded and read again.
#include "tests/fuzz/fuzz.h"
#include "tlog/format/metadata.h"

namespace {

using namespace tlog;

void decode(ConstByteSpan bytes) {
  auto page = format::decode_index_page(bytes);
  if (!page) return;
  auto again = format::decode_index_page(format::encode_index_page(*page).span());
  TLOG_ASSERT(again && again->page == page->page && again->entries.size() == page->entries.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ConstByteSpan bytes = fuzz::bytes_of_input(data, size);
  decode(bytes);
  if (size >= 4) decode(fuzz::with_checksum(bytes, size - 4).span());
  return 0;
}
