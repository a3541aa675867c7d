#include "tlog/base/crc32c.h"
#include "tlog/store/segment_folder.h"
#include "tlog/store/segment_index.h"

namespace tlog::store {

Status seal_segment(io::FileSystem& files, Segment& segment, const SealOptions& options) {
  SegmentFooter footer;
  footer.header = segment.header();
  footer.data_end = options.data_end;
  footer.index_offset = round_up(options.data_end, kSegmentFooterBytes);
  footer.last_sequence = options.last_sequence;
  footer.damaged_bytes = options.damaged_bytes;
  footer.torn_bytes = options.torn_bytes;
  Buffer index;
  segment.visit([&](const EntryMap& entries) {
    index = SegmentIndex::encode(entries);
    footer.entries = static_cast<std::uint32_t>(entries.size());
    for (const auto& [key, location] : entries)
      footer.removes += location.kind == EntryKind::kRemove ? 1 : 0;
    footer.ranges = key_ranges(entries);
  });
  footer.index_bytes = index.size();
  footer.index_crc = crc32c(index.span());
  std::uint64_t footer_offset = round_up(footer.index_offset + index.size(), kSegmentFooterBytes);
  Buffer block = encode_segment_footer(footer);

  TLOG_ASSIGN(auto file, files.open(segment.path(), {.write = true}));
  TLOG_TRY(file->write(footer.index_offset, index.span()));
  // Synced first: a footer that outlives a power cut without its index would vouch for nothing.
  TLOG_TRY(file->sync_data());
  TLOG_TRY(file->write(footer_offset, block.span()));
  // The footer is found because it is what the file ends with.
  TLOG_TRY(file->resize(footer_offset + kSegmentFooterBytes));
  TLOG_TRY(file->sync_data());
  segment.set_footer(std::move(footer));
  return {};
}

}  // namespace tlog::store
