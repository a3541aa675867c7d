#include "player/target.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace tlog::player {

TargetKind kind_of_target(std::string_view name) {
  if (name.starts_with("vdisk:")) return TargetKind::kVdisk;
  for (std::string_view scheme : {"nbd://", "nbds://", "nbd+unix://", "nbds+unix://",
                                  "nbd+vsock://", "nbds+vsock://", "nbd+ssh://"}) {
    if (name.starts_with(scheme)) return TargetKind::kNbd;
  }
  return TargetKind::kPath;
}

Result<std::unique_ptr<Target>> make_path_target(const TargetOptions& options,
                                                 io::FileSystem& files) {
  struct stat found {};
  if (::stat(options.name.c_str(), &found) == 0) {
    if (S_ISBLK(found.st_mode)) return make_device_target(options, files);
    if (!S_ISREG(found.st_mode)) {
      return fail(Code::kInvalidArgument,
                  fmt::format("restore: {}: neither a regular file nor a block device; name "
                              "another target",
                              options.name));
    }
  }
  return make_file_target(options, files);
}

Status write_zeros(io::File& file, std::uint64_t offset, std::uint64_t length) {
  alignas(4096) static constexpr std::array<std::byte, 64 * kKiB> kZeros{};
  while (length > 0) {
    std::size_t part = std::min<std::uint64_t>(length, kZeros.size());
    TLOG_TRY(file.write(offset, ConstByteSpan(kZeros.data(), part)));
    offset += part;
    length -= part;
  }
  return {};
}

namespace {

// Zeros [offset, offset + length), as a hole where it can be one.
Status zero_range(io::File& file, const Change& change, HolePunching& punching) {
  std::uint64_t start = round_up(change.offset, punching.alignment);
  std::uint64_t end = round_down(change.end(), punching.alignment);
  if (!punching.possible || start >= end) return write_zeros(file, change.offset, change.length);
  Status punched = file.punch_hole(start, end - start);
  if (!punched && punched.error().code() == Code::kNotSupported) {
    punching.possible = false;
    return write_zeros(file, change.offset, change.length);
  }
  if (!punched && punched.error().code() == Code::kUnavailable) {
    return write_zeros(file, change.offset, change.length);
  }
  TLOG_TRY(std::move(punched));
  TLOG_TRY(write_zeros(file, change.offset, start - change.offset));
  return write_zeros(file, end, change.end() - end);
}

}  // namespace

Status apply_to_file(io::File& file, std::span<const Change> changes, HolePunching& punching) {
  for (const Change& change : changes) {
    if (change.kind == ChangeKind::kData) {
      TLOG_TRY(file.write(change.offset, change.pieces));
    } else {
      TLOG_TRY(zero_range(file, change, punching));
    }
  }
  return {};
}

}  // namespace tlog::player
