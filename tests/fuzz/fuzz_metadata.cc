// format::decode_metadata(), as it comes and with the checksum put right; what is accepted can be
// encoded and read again.
#include "tests/fuzz/fuzz.h"
#include "tlog/format/metadata.h"

namespace {

using namespace tlog;

void decode(ConstByteSpan bytes) {
  auto metadata = format::decode_metadata(bytes);
  if (!metadata) return;
  auto again = format::decode_metadata(format::encode_metadata(*metadata).span());
  TLOG_ASSERT(again && again->format == metadata->format &&
              again->epochs.size() == metadata->epochs.size() && again->blocks == metadata->blocks);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ConstByteSpan bytes = fuzz::bytes_of_input(data, size);
  decode(bytes);
  if (size >= 4) decode(fuzz::with_checksum(bytes, size - 4).span());
  return 0;
}
