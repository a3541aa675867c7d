#include "tlog/blocks/block_batch.h"

#include <algorithm>

#include "tlog/base/assert.h"

namespace tlog::blocks {

void BlockBatch::add(std::uint64_t offset, std::uint64_t length, const std::byte* bytes) {
  while (length > 0) {
    const std::uint64_t index = offset / layout_.block_size;
    const auto at = static_cast<std::uint32_t>(offset % layout_.block_size);
    const auto part =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(length, layout_.block_size - at));
    if (wanted(index)) {
      Block& block = blocks_[index];
      block.fragments.push_back({at, part, bytes});
      block.given += part;
    }
    if (bytes != nullptr) bytes += part;
    offset += part;
    length -= part;
  }
}

void BlockBatch::write(std::uint64_t offset, ConstByteSpan bytes) {
  if (!bytes.empty()) add(offset, bytes.size(), bytes.data());
}

void BlockBatch::zero(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  const std::uint64_t end = offset + length;
  const std::uint64_t first = round_up(offset, layout_.block_size) / layout_.block_size;
  // The vdisk's end ends a block, too.
  const std::uint64_t last = end == layout_.size ? layout_.blocks() : end / layout_.block_size;
  if (first >= last) return add(offset, length, nullptr);
  add(offset, first * layout_.block_size - offset, nullptr);
  zeros_.push_back({first, last});
  if (end > last * layout_.block_size) {
    add(last * layout_.block_size, end - last * layout_.block_size, nullptr);
  }
}

void BlockBatch::clear() {
  blocks_.clear();
  zeros_.clear();
}

std::vector<std::uint64_t> BlockBatch::partial() const {
  std::vector<std::uint64_t> indexes;
  for (const auto& [index, block] : blocks_) {
    if (is_partial(index, block)) indexes.push_back(index);
  }
  return indexes;
}

BlockChanges BlockBatch::changes(ConstByteSpan old) {
  const std::uint32_t size = layout_.block_size;
  const auto to_assemble = std::count_if(blocks_.begin(), blocks_.end(), [&](const auto& entry) {
    return !is_one_piece(entry.second);
  });
  assembled_.reset_size(static_cast<std::size_t>(to_assemble) * size);
  std::byte* room = assembled_.data();
  BlockChanges changes;
  changes.zeros = zeros_;
  for (const auto& [index, block] : blocks_) {
    ConstByteSpan bytes;
    if (is_one_piece(block)) {
      bytes = {block.fragments[0].bytes, size};
    } else {
      if (is_partial(index, block)) {
        TLOG_ASSERT(old.size() >= size);
        std::memcpy(room, old.data(), size);
        old = old.subspan(size);
      } else {
        std::memset(room, 0, size);
      }
      for (const Fragment& fragment : block.fragments) {
        if (fragment.bytes != nullptr) {
          std::memcpy(room + fragment.at, fragment.bytes, fragment.length);
        } else {
          std::memset(room + fragment.at, 0, fragment.length);
        }
      }
      bytes = {room, size};
      room += size;
    }
    if (all_zero(bytes)) {
      changes.zeros.push_back({index, index + 1});
    } else {
      changes.data.push_back({index, bytes});
    }
  }
  return changes;
}

}  // namespace tlog::blocks
