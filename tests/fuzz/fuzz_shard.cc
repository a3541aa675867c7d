// shard::parse() and decode(), as it comes and with the checksum put right.
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tlog/shard/shard.h"

namespace {

using namespace tlog;

void parse_and_decode(ConstByteSpan bytes) {
  auto view = shard::parse(bytes);
  if (!view) return;
  TLOG_ASSERT(shard::check(view->geometry) && view->index < view->geometry.total());
  // As many as are needed, all with this piece: decoding must not care what the bytes are.
  std::vector<shard::ShardView> views;
  for (unsigned i = view->geometry.total(); i-- > 0 && views.size() < view->geometry.data;) {
    views.push_back(*view);
    views.back().index = i;
  }
  auto decoded = shard::decode(views);
  TLOG_ASSERT(decoded);
  std::size_t total = 0;
  for (ConstByteSpan piece : decoded->pieces) total += piece.size();
  TLOG_ASSERT(total == view->sealed_length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ConstByteSpan bytes = fuzz::bytes_of_input(data, size);
  parse_and_decode(bytes);
  if (size >= 4) parse_and_decode(fuzz::with_checksum(bytes, size - 4).span());
  return 0;
}
