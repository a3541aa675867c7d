#include "nbdkit-plugin/connection.h"

#include <nbdkit-plugin.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "tlog/base/buffer.h"

namespace tlog::plugin {
namespace {

constexpr std::uint64_t kPrefetchPiece = 256 * kKiB;
constexpr std::uint64_t kFirstExtentWindow = 1 * kMiB;

// What the protocol and nbdkit accept as a preferred block size.
constexpr std::uint32_t kPreferredMin = 512;
constexpr std::uint32_t kPreferredMax = 2 * 1024 * 1024;

std::uint32_t type_of(const blocks::Extent& extent) {
  return extent.hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0;
}

Status add(nbdkit_extents* into, std::uint64_t offset, std::uint64_t length, std::uint32_t type) {
  if (nbdkit_add_extent(into, offset, length, type) == -1) {
    return fail(Code::kIoError, "extents: nbdkit took no more of them");
  }
  return {};
}

}  // namespace

Connection::Connection(std::shared_ptr<session::Vdisk> vdisk, bool read_only,
                       std::string description)
    : vdisk_(std::move(vdisk)),
      read_only_(read_only || vdisk_->read_only()),
      description_(std::move(description)) {}

BlockSize Connection::block_size() const {
  BlockSize sizes;
  const std::uint32_t own = vdisk_->block_size();
  if (std::has_single_bit(own) && own >= kPreferredMin && own <= kPreferredMax)
    sizes.preferred = own;
  return sizes;
}

Status Connection::read(void* into, std::uint32_t count, std::uint64_t offset) {
  return vdisk_->read(offset, ByteSpan(static_cast<std::byte*>(into), count));
}

Status Connection::write(const void* from, std::uint32_t count, std::uint64_t offset,
                         std::uint32_t flags) {
  return vdisk_->write(offset, ConstByteSpan(static_cast<const std::byte*>(from), count),
                       (flags & NBDKIT_FLAG_FUA) != 0);
}

Status Connection::flush() {
  return vdisk_->flush();
}

Status Connection::trim(std::uint32_t count, std::uint64_t offset, std::uint32_t flags) {
  return vdisk_->discard(offset, count, (flags & NBDKIT_FLAG_FUA) != 0);
}

// FAST_ZERO needs no answer of its own: a zero is one record without data, whatever its length.
Status Connection::zero(std::uint32_t count, std::uint64_t offset, std::uint32_t flags) {
  return vdisk_->zero(offset, count, (flags & NBDKIT_FLAG_MAY_TRIM) != 0,
                      (flags & NBDKIT_FLAG_FUA) != 0);
}

Status Connection::extents(std::uint32_t count, std::uint64_t offset, std::uint32_t flags,
                           nbdkit_extents* into) {
  if ((flags & NBDKIT_FLAG_REQ_ONE) != 0) return first_extent(offset, offset + count, into);
  TLOG_ASSIGN(const std::vector<blocks::Extent> found, vdisk_->extents(offset, count));
  for (const blocks::Extent& extent : found) {
    TLOG_TRY(add(into, extent.offset, extent.length, type_of(extent)));
  }
  return {};
}

// A client that wants one extent asks about gigabytes all the same, and asks again for the next:
// listing a fragmented range each time would cost the square of it. So look at a little, and at
// more while it is all alike.
Status Connection::first_extent(std::uint64_t offset, std::uint64_t end, nbdkit_extents* into) {
  std::uint64_t window = kFirstExtentWindow;
  std::uint64_t position = offset;
  std::uint32_t type = 0;
  while (position < end) {
    TLOG_ASSIGN(const std::vector<blocks::Extent> found,
                vdisk_->extents(position, std::min(window, end - position)));
    for (const blocks::Extent& extent : found) {
      if (position == offset) type = type_of(extent);
      if (type_of(extent) != type) return add(into, offset, position - offset, type);
      position = extent.offset + extent.length;
    }
    if (found.empty())
      break;  // against the Vdisk's contract; nbdkit reports a range without extents
    window *= 4;
  }
  return add(into, offset, position - offset, type);
}

Status Connection::prefetch(std::uint32_t count, std::uint64_t offset) {
  Buffer piece(static_cast<std::size_t>(std::min<std::uint64_t>(count, kPrefetchPiece)));
  const std::uint64_t end = offset + count;
  while (offset < end) {
    const std::uint64_t length = std::min<std::uint64_t>(piece.size(), end - offset);
    TLOG_TRY(vdisk_->read(offset, piece.span().first(static_cast<std::size_t>(length))));
    offset += length;
  }
  return {};
}

}  // namespace tlog::plugin
