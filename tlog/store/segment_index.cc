#include "tlog/store/segment_index.h"

#include <fmt/format.h>

#include "tlog/base/crc32c.h"

namespace tlog::store {
namespace {

// An entry of the index, followed by its key.
struct IndexEntryBytes {
  std::uint64_t offset;
  std::uint32_t value_length;
  std::uint32_t body_crc;
  std::uint16_t key_length;
  std::uint8_t kind;
  std::uint8_t zero[5];
};
static_assert(sizeof(IndexEntryBytes) == 24);

IndexEntryBytes entry_at(const Buffer& bytes, std::size_t start) {
  IndexEntryBytes entry;
  std::memcpy(&entry, bytes.data() + start, sizeof entry);
  return entry;
}

std::string_view key_at(const Buffer& bytes, std::size_t start) {
  const std::byte* key = bytes.data() + start + sizeof(IndexEntryBytes);
  return {reinterpret_cast<const char*>(key), entry_at(bytes, start).key_length};
}

bool is_sound(const IndexEntryBytes& entry, std::uint64_t data_end) {
  bool known = entry.kind == static_cast<std::uint8_t>(EntryKind::kPut) ||
               entry.kind == static_cast<std::uint8_t>(EntryKind::kRemove);
  return known && entry.key_length > 0 && entry.key_length <= kStoreKeyBytesMax &&
         entry.value_length <= kStoreValueBytesMax && entry.offset >= kSegmentHeaderBytes &&
         entry.offset < data_end &&
         data_end - entry.offset >= entry_bytes(entry.key_length, entry.value_length);
}

}  // namespace

Buffer SegmentIndex::encode(const EntryMap& entries) {
  std::size_t bytes = 0;
  for (const auto& [key, location] : entries) bytes += sizeof(IndexEntryBytes) + key.size();
  Buffer buffer(bytes);
  std::byte* at = buffer.data();
  for (const auto& [key, location] : entries) {
    IndexEntryBytes entry{};
    entry.offset = location.offset;
    entry.value_length = location.value_length;
    entry.body_crc = location.body_crc;
    entry.key_length = static_cast<std::uint16_t>(key.size());
    entry.kind = static_cast<std::uint8_t>(location.kind);
    std::memcpy(at, &entry, sizeof entry);
    std::memcpy(at + sizeof entry, key.data(), key.size());
    at += sizeof entry + key.size();
  }
  return buffer;
}

Result<std::shared_ptr<const SegmentIndex>> SegmentIndex::decode(Buffer bytes,
                                                                 const SegmentFooter& footer,
                                                                 std::string_view path) {
  auto corrupt = [&] {
    return fail(Code::kCorruption, fmt::format("read: {}: the index is damaged", path));
  };
  if (bytes.size() != footer.index_bytes || crc32c(bytes.span()) != footer.index_crc)
    return corrupt();
  auto index = std::make_shared<SegmentIndex>();
  index->starts_.reserve(footer.entries);
  std::size_t start = 0;
  while (start < bytes.size()) {
    if (bytes.size() - start < sizeof(IndexEntryBytes)) return corrupt();
    IndexEntryBytes entry = entry_at(bytes, start);
    std::size_t length = sizeof entry + entry.key_length;
    if (!is_sound(entry, footer.data_end) || bytes.size() - start < length) return corrupt();
    if (start > 0 && key_at(bytes, index->starts_.back()) >= key_at(bytes, start)) return corrupt();
    index->starts_.push_back(static_cast<std::uint32_t>(start));
    start += length;
  }
  if (index->starts_.size() != footer.entries) return corrupt();
  index->bytes_ = std::move(bytes);
  return std::shared_ptr<const SegmentIndex>(std::move(index));
}

std::string_view SegmentIndex::key(std::size_t position) const {
  return key_at(bytes_, starts_[position]);
}

EntryLocation SegmentIndex::location(std::size_t position) const {
  IndexEntryBytes entry = entry_at(bytes_, starts_[position]);
  return {entry.offset, entry.value_length, entry.body_crc, static_cast<EntryKind>(entry.kind)};
}

std::size_t SegmentIndex::lower_bound(std::string_view wanted) const {
  std::size_t low = 0;
  std::size_t high = size();
  while (low < high) {
    std::size_t middle = low + (high - low) / 2;
    if (key(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::optional<EntryLocation> SegmentIndex::find(std::string_view wanted) const {
  std::size_t position = lower_bound(wanted);
  if (position == size() || key(position) != wanted) return {};
  return location(position);
}

Result<std::shared_ptr<const SegmentIndex>> IndexCache::get(std::uint64_t segment,
                                                            const Load& load) {
  auto found = positions_.find(segment);
  if (found != positions_.end()) {
    items_.splice(items_.begin(), items_, found->second);
    return items_.front().index;
  }
  TLOG_ASSIGN(auto index, load());
  ++loads_;
  // Room is made first, so that memory never exceeds the bound by more than the one that is used
  // now.
  while (!items_.empty() && bytes_ + index->memory_bytes() > bytes_max_)
    drop(std::prev(items_.end()));
  bytes_ += index->memory_bytes();
  items_.push_front({segment, index});
  positions_[segment] = items_.begin();
  return index;
}

void IndexCache::forget(std::uint64_t segment) {
  auto found = positions_.find(segment);
  if (found != positions_.end()) drop(found->second);
}

void IndexCache::drop(std::list<Item>::iterator item) {
  bytes_ -= item->index->memory_bytes();
  positions_.erase(item->segment);
  items_.erase(item);
}

}  // namespace tlog::store
