// The journal's decoders: whatever a disk brings back is a value, an error or "no record", never a crash.
#include "tests/fuzz/fuzz.h"
#include "tlog/journal/layout.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tlog;
  ConstByteSpan bytes = std::as_bytes(std::span(data, size));
  (void)journal::decode_superblock(bytes, "superblock");
  Buffer header(journal::kRecordHeaderBytes);
  std::memset(header.data(), 0, header.size());
  std::memcpy(header.data(), bytes.data(), std::min(size, header.size()));
  if (auto record = journal::decode_record_header(header.data(), 0)) {
    Buffer again(journal::kRecordHeaderBytes);
    journal::encode_record_header(*record, 0, again.data());
    TLOG_ASSERT(std::memcmp(again.data(), header.data(), header.size()) == 0);
  }
  return 0;
}
