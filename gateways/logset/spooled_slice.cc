#include "gateways/logset/spooled_slice.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::logset {
namespace {

constexpr std::size_t kMemoryMax = kMiB;

}  // namespace

SpooledSlice::~SpooledSlice() {
  file_.reset();
  // One that cannot be removed goes at the next opening.
  if (!path_.empty()) (void)files_.remove(path_);
}

Status SpooledSlice::spill() {
  if (!file_) {
    path_ = io::join_path(directory_,
                          fmt::format("{}{:016x}", kSpoolPrefix, system_random().next_u64()));
    TLOG_ASSIGN(file_, files_.open(path_, {.write = true, .create = true, .exclusive = true}));
  }
  TLOG_TRY(file_->write(in_file_, memory_));
  in_file_ += memory_.size();
  memory_.clear();
  return {};
}

Status SpooledSlice::write(ConstByteSpan piece) {
  memory_.insert(memory_.end(), piece.begin(), piece.end());
  return memory_.size() < kMemoryMax ? Status() : spill();
}

Status SpooledSlice::copy_to(io::File& into, std::uint64_t offset) {
  std::vector<std::byte> block(std::min<std::uint64_t>(in_file_, kMemoryMax));
  for (std::uint64_t at = 0; at < in_file_;) {
    const std::size_t size = std::min<std::uint64_t>(block.size(), in_file_ - at);
    TLOG_ASSIGN(const std::size_t got, file_->read(at, ByteSpan(block).first(size)));
    if (got != size) {
      return fail(Code::kIoError, fmt::format("read: {}: it became shorter", path_));
    }
    TLOG_TRY(into.write(offset + at, ByteSpan(block).first(size)));
    at += size;
  }
  return memory_.empty() ? Status() : into.write(offset + in_file_, memory_);
}

}  // namespace tlog::logset
