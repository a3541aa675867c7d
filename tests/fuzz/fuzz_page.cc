// Pages of a remote log, as they come from anybody's name system: refused with a reason, or what is
// read says the same when it is written and read again.
#include "gateways/cas/page.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tlog;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto page = cas::decode_page(bytes);
  if (!page) {
    TLOG_ASSERT(page.error().code() == Code::kCorruption && !page.error().message().empty());
  } else {
    const std::string written = cas::encode_page(*page);
    const auto again = cas::decode_page(written);
    TLOG_ASSERT(again && cas::encode_page(*again) == written);
    for (std::size_t i = 0; i + 1 < page->pairs.size(); ++i) {
      TLOG_ASSERT(cas::adjoin(page->pairs[i + 1].piece, page->pairs[i].piece));
    }
  }
  (void)cas::target_of_multiaddr(bytes);
  return 0;
}
