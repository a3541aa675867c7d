// The scanner of segments without an index, the footer and the index, over any bytes; as they come,
// and with the checksums of headers put right.
#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tlog/store/segment_index.h"
#include "tlog/store/segment_scan.h"

namespace {

using namespace tlog;
using namespace tlog::store;

// The input as a file that can only be read.
class InputFile final : public io::File {
 public:
  explicit InputFile(ConstByteSpan bytes) : bytes_(bytes) {}
  Result<std::size_t> read(std::uint64_t offset, ByteSpan into) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    std::size_t length = std::min<std::uint64_t>(into.size(), bytes_.size() - offset);
    if (length > 0) std::memcpy(into.data(), bytes_.data() + offset, length);
    return length;
  }
  Result<std::uint64_t> size() override { return std::uint64_t{bytes_.size()}; }
  Result<std::uint64_t> next_data(std::uint64_t offset) override {
    return std::min<std::uint64_t>(offset, bytes_.size());
  }
  Result<std::uint64_t> next_hole(std::uint64_t) override { return std::uint64_t{bytes_.size()}; }
  Status write(std::uint64_t, std::span<const ConstByteSpan>) override { return refuse(); }
  Status sync_data() override { return refuse(); }
  Status resize(std::uint64_t) override { return refuse(); }
  Status preallocate(std::uint64_t, std::uint64_t) override { return refuse(); }
  Status punch_hole(std::uint64_t, std::uint64_t) override { return refuse(); }
  void start_writeback(std::uint64_t, std::uint64_t) override {}
  Status try_lock() override { return refuse(); }
  Status set_attribute(std::string_view, std::string_view) override { return refuse(); }
  Result<std::string> attribute(std::string_view) override { return fail(refuse().error()); }
  const std::string& path() const override { return path_; }
  int descriptor() const override { return -1; }

 private:
  static Status refuse() { return fail(Code::kNotSupported, "a fuzz input cannot do this"); }

  const ConstByteSpan bytes_;
  const std::string path_ = "input";
};

void scan(ConstByteSpan bytes, const ScanOptions& options) {
  InputFile file(bytes);
  SegmentScan scan;
  TLOG_ASSERT(scan_segment(file, options, scan));
  std::uint64_t end = kSegmentHeaderBytes;
  for (const ScannedEntry& entry : scan.entries) {
    TLOG_ASSERT(entry.location.offset >= end && entry.location.offset % kSegmentUnit == 0);
    end = entry.location.offset + entry_bytes(entry.key.size(), entry.location.value_length);
    TLOG_ASSERT(end <= bytes.size() && end <= scan.position);
    TLOG_ASSERT(body_is_intact(file, entry.key, entry.location));
  }
  for (const SegmentHole& hole : scan.holes)
    TLOG_ASSERT(hole.offset < hole.end && hole.end <= scan.position);
  TLOG_ASSERT(scan.damaged_bytes() <= scan.hole_bytes());
  // Going on from there finds nothing more and loses nothing.
  SegmentScan again = scan;
  TLOG_ASSERT(scan_segment(file, options, again));
  TLOG_ASSERT(again.entries.size() == scan.entries.size() && again.position == scan.position);
}

void search_index(ConstByteSpan bytes) {
  if (bytes.size() < kSegmentFooterBytes) return;
  Buffer block = fuzz::with_checksum(bytes.last(kSegmentFooterBytes), kSegmentFooterBytes - 4);
  auto footer = decode_segment_footer(block.span(), "input");
  if (!footer || footer->index_offset > bytes.size()) return;
  ConstByteSpan index_bytes = bytes.subspan(footer->index_offset);
  if (footer->index_bytes > index_bytes.size()) return;
  index_bytes = index_bytes.first(footer->index_bytes);
  footer->index_crc = crc32c(index_bytes);
  auto index = SegmentIndex::decode(Buffer::copy_of(index_bytes), *footer, "input");
  if (!index) return;
  for (std::size_t i = 0; i < (*index)->size(); ++i) {
    TLOG_ASSERT((*index)->find((*index)->key(i)) == (*index)->location(i));
  }
}

Buffer with_entry_checksums(ConstByteSpan bytes) {
  Buffer fixed = Buffer::copy_of(bytes);
  for (std::size_t at = 0; at + kEntryHeaderBytes <= fixed.size(); at += kSegmentUnit) {
    if (std::memcmp(fixed.data() + at, "TLOGENT1", 8) != 0) continue;
    std::uint32_t crc = crc32c(fixed.span().subspan(at, kEntryHeaderBytes - 4));
    std::memcpy(fixed.data() + at + kEntryHeaderBytes - 4, &crc, sizeof crc);
  }
  return fixed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ConstByteSpan bytes = fuzz::bytes_of_input(data, size);
  search_index(bytes);
  Buffer fixed = with_entry_checksums(bytes);
  for (ConstByteSpan input : {bytes, ConstByteSpan(fixed.span())}) {
    scan(input, {});
    scan(input, {.live = true});
    scan(input, {.known_end = size / 2});
  }
  return 0;
}
