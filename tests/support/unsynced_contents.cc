#include "tests/support/unsynced_contents.h"

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/base/buffer.h"

namespace tlog::testing {

Status UnsyncedContents::remember_size(io::File& file) {
  if (old_size_) return {};
  TLOG_ASSIGN(old_size_, file.size());
  return {};
}

Status UnsyncedContents::remember(io::File& file, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  std::uint64_t begin = round_down(offset, kSector);
  std::uint64_t end = round_up(offset + length, kSector);
  Buffer old(end - begin);
  TLOG_ASSIGN(std::size_t got, file.read(begin, old.span()));
  std::fill(old.data() + got, old.data() + old.size(), std::byte{0});
  for (std::uint64_t at = begin; at < end; at += kSector) {
    auto [entry, is_new] = old_sectors_.try_emplace(at / kSector);
    if (is_new) std::memcpy(entry->second.data(), old.data() + (at - begin), kSector);
  }
  return {};
}

Status UnsyncedContents::write(io::File& file, std::uint64_t offset,
                               std::span<const ConstByteSpan> pieces) {
  std::uint64_t length = 0;
  for (ConstByteSpan piece : pieces) length += piece.size();
  MutexLock lock(mutex_);
  TLOG_ASSIGN(std::uint64_t size, file.size());
  if (offset + length > size) TLOG_TRY(remember_size(file));
  TLOG_TRY(remember(file, offset, length));
  return file.write(offset, pieces);
}

Status UnsyncedContents::resize(io::File& file, std::uint64_t size) {
  MutexLock lock(mutex_);
  TLOG_ASSIGN(std::uint64_t before, file.size());
  TLOG_TRY(remember_size(file));
  if (size < before) TLOG_TRY(remember(file, size, before - size));
  return file.resize(size);
}

Status UnsyncedContents::preallocate(io::File& file, std::uint64_t offset, std::uint64_t length) {
  MutexLock lock(mutex_);
  TLOG_TRY(remember_size(file));
  return file.preallocate(offset, length);
}

Status UnsyncedContents::punch_hole(io::File& file, std::uint64_t offset, std::uint64_t length) {
  MutexLock lock(mutex_);
  TLOG_ASSIGN(std::uint64_t size, file.size());
  if (offset < size) TLOG_TRY(remember(file, offset, std::min(length, size - offset)));
  return file.punch_hole(offset, length);
}

void UnsyncedContents::synced() {
  MutexLock lock(mutex_);
  old_sectors_.clear();
  old_size_.reset();
}

std::uint64_t UnsyncedContents::unsynced_bytes() const {
  MutexLock lock(mutex_);
  return old_sectors_.size() * kSector;
}

void UnsyncedContents::cut(const std::string& path, std::mt19937_64& random, PowerCut mode) {
  MutexLock lock(mutex_);
  if (old_sectors_.empty() && !old_size_) return;
  auto file = io::system_files().open(path, {.write = true});
  TLOG_ASSERT(file);
  auto size_now = (*file)->size();
  TLOG_ASSERT(size_now);
  std::uint64_t old_size = old_size_.value_or(*size_now);
  bool drop_all = mode == PowerCut::kDropAll;
  bool keep_size = !drop_all && random() % 2 == 0;
  std::uint64_t unit = mode == PowerCut::kTearSectors ? kSector : kBlock;
  // A shrinking that is undone brings all of its bytes back.
  std::uint64_t restored_from = old_size > *size_now && !keep_size ? *size_now / kSector : ~0ull;

  std::uint64_t kept_end = old_size;
  std::optional<std::uint64_t> decided;  // the unit that `keep` is about
  bool keep = false;
  for (const auto& [sector, bytes] : old_sectors_) {
    std::uint64_t number = sector * kSector / unit;
    if (decided != number) keep = !drop_all && random() % 2 == 0;
    decided = number;
    if (keep && sector < restored_from) {
      kept_end = std::max(kept_end, (sector + 1) * kSector);
    } else {
      TLOG_ASSERT((*file)->write(sector * kSector, bytes));
    }
  }
  std::uint64_t size = keep_size ? *size_now : old_size;
  if (*size_now > old_size && !keep_size) size = std::min(*size_now, kept_end);
  TLOG_ASSERT((*file)->resize(size));
  old_sectors_.clear();
  old_size_.reset();
}

}  // namespace tlog::testing
