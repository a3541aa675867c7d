#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/blocks/block_storage.h"

namespace tlog::blocks {
namespace {

constexpr std::string_view kVdiskAttribute = "tlogdisk.vdisk";

// A longer write makes a larger folio in the page cache, and ext4 (Linux 6.16 and later) then looks
// at every block of the folio at each small write into it: 2 us for 4 KiB in folios of 16 KiB, 7 in
// 256 KiB, 25 in 1 MiB.
constexpr std::size_t kWriteBytesMax = 16 * kKiB;

// Applies pages to a sparse file. Threading, durability: as block_storage.h says; the file's own
// calls are positional. Errors: the file's, which name operation, path and reason.
class FileStorage final : public BlockStorage {
 public:
  FileStorage(std::unique_ptr<io::File> file, const FileStorageOptions& options)
      : file_(std::move(file)),
        name_("file " + options.path),
        size_(options.size),
        read_only_(options.read_only) {}

  Status read(std::uint64_t offset, ByteSpan into) override;
  Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) override;
  Status discard(std::uint64_t offset, std::uint64_t length) override;
  // A hole as well: zeroing in place would write, and nothing that reads zeros can tell the
  // difference. What is lost is only the room on the disk, which a log that keeps every version
  // cannot promise anyway.
  Status zero(std::uint64_t offset, std::uint64_t length) override {
    return discard(offset, length);
  }
  Status flush() override;
  Result<std::vector<Extent>> extents(std::uint64_t offset, std::uint64_t length) override;
  std::uint64_t size() const override { return size_; }
  const std::string& name() const override { return name_; }

 private:
  Status check_range(std::string_view operation, std::uint64_t offset, std::uint64_t length) const;
  Status check_change(std::string_view operation, std::uint64_t offset, std::uint64_t length) const;
  Status write_zeros(std::uint64_t offset, std::uint64_t length);
  Result<Extent> extent_at(std::uint64_t offset, std::uint64_t end);

  const std::unique_ptr<io::File> file_;
  const std::string name_;
  const std::uint64_t size_;
  const bool read_only_;
};

Status FileStorage::check_range(std::string_view operation, std::uint64_t offset,
                                std::uint64_t length) const {
  if (offset <= size_ && length <= size_ - offset) return {};
  return fail(Code::kInvalidArgument,
              fmt::format("{}: {}: {} bytes at {} reach beyond the end at {}", operation,
                          file_->path(), length, offset, size_));
}

Status FileStorage::check_change(std::string_view operation, std::uint64_t offset,
                                 std::uint64_t length) const {
  if (read_only_) {
    return fail(Code::kInvalidArgument,
                fmt::format("{}: {}: opened for reading only", operation, file_->path()));
  }
  return check_range(operation, offset, length);
}

Status FileStorage::read(std::uint64_t offset, ByteSpan into) {
  TLOG_TRY(check_range("read", offset, into.size()));
  TLOG_ASSIGN(std::size_t got, file_->read(offset, into));
  if (got == into.size()) return {};
  return fail(Code::kCorruption,
              fmt::format("read: {}: the file ends at {} instead of {}; somebody has cut it off, "
                          "restore the vdisk with `tlogplay restore`",
                          file_->path(), offset + got, size_));
}

Status FileStorage::write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) {
  std::uint64_t length = 0;
  for (ConstByteSpan piece : pieces) length += piece.size();
  TLOG_TRY(check_change("write", offset, length));
  std::vector<ConstByteSpan> run;
  std::size_t run_bytes = 0;
  auto write_run = [&]() -> Status {
    if (run.empty()) return {};
    TLOG_TRY(file_->write(offset, run));
    offset += std::exchange(run_bytes, 0);
    run.clear();
    return {};
  };
  for (ConstByteSpan piece : pieces) {
    while (!piece.empty()) {
      // Ends at a multiple of it, so that a write does not touch one more folio than it must.
      const std::size_t room = kWriteBytesMax - (offset + run_bytes) % kWriteBytesMax;
      const std::size_t now = std::min(room, piece.size());
      run.push_back(piece.first(now));
      run_bytes += now;
      piece = piece.subspan(now);
      if (now == room) TLOG_TRY(write_run());
    }
  }
  return write_run();
}

Status FileStorage::discard(std::uint64_t offset, std::uint64_t length) {
  TLOG_TRY(check_change("discard", offset, length));
  if (length == 0) return {};
  Status punched = file_->punch_hole(offset, length);
  if (punched || punched.error().code() == Code::kNoSpace) return punched;
  // A file system without holes (or one that is failing: then this fails too).
  return write_zeros(offset, length);
}

Status FileStorage::write_zeros(std::uint64_t offset, std::uint64_t length) {
  static constexpr std::array<std::byte, 64 * kKiB> kZeros{};
  while (length > 0) {
    std::size_t now = std::min<std::uint64_t>(length, kZeros.size());
    TLOG_TRY(file_->write(offset, ConstByteSpan(kZeros.data(), now)));
    offset += now;
    length -= now;
  }
  return {};
}

Status FileStorage::flush() {
  if (read_only_) return {};
  return file_->sync_data();
}

// The data or the hole that `offset` lies in, cut at `end`.
Result<Extent> FileStorage::extent_at(std::uint64_t offset, std::uint64_t end) {
  TLOG_ASSIGN(std::uint64_t data, file_->next_data(offset));
  bool hole = data > offset;
  std::uint64_t until = data;
  if (!hole) {
    TLOG_ASSIGN(std::uint64_t gap, file_->next_hole(offset));
    until = gap;
  }
  // next_data answers the file's size when there is none; a file that changes meanwhile must not
  // stop the walk.
  until = std::min(until, end);
  if (until <= offset) until = end;
  return Extent{offset, until - offset, hole};
}

Result<std::vector<Extent>> FileStorage::extents(std::uint64_t offset, std::uint64_t length) {
  TLOG_TRY(check_range("extents", offset, length));
  std::vector<Extent> extents;
  std::uint64_t end = offset + length;
  while (offset < end) {
    TLOG_ASSIGN(Extent extent, extent_at(offset, end));
    if (!extents.empty() && extents.back().hole == extent.hole) {
      extents.back().length += extent.length;
    } else {
      extents.push_back(extent);
    }
    offset += extent.length;
  }
  return extents;
}

// Whether there is nothing in the file: a creation that a crash has cut short may be repeated.
Result<bool> is_untouched(io::File& file, std::uint64_t size) {
  if (size == 0) return true;
  if (file.attribute(kVdiskAttribute)) return false;
  TLOG_ASSIGN(std::uint64_t data, file.next_data(0));
  return data == size;
}

// A new vdisk's file: absent or empty before, and nobody else's.
Status prepare_new(io::File& file, const FileStorageOptions& options, io::FileSystem& files) {
  TLOG_ASSIGN(std::uint64_t size, file.size());
  TLOG_ASSIGN(bool untouched, is_untouched(file, size));
  if (!untouched) {
    return fail(
        Code::kAlreadyExists,
        fmt::format("create: {}: the file exists and has {} bytes, but the vdisk is new; remove "
                    "the file or name another one",
                    options.path, size));
  }
  TLOG_TRY(file.resize(options.size));
  // Not every file system has attributes: without them the size is the only check.
  (void)file.set_attribute(kVdiskAttribute, options.vdisk.text());
  TLOG_TRY(file.sync_data());
  return files.sync_directory(io::parent_path(options.path));
}

Status check_owner(io::File& file, const FileStorageOptions& options) {
  auto owner = file.attribute(kVdiskAttribute);
  if (!owner || *owner == options.vdisk.text()) return {};
  return fail(
      Code::kInvalidArgument,
      fmt::format("open: {}: the file belongs to vdisk {}, this vdisk is {}; name this vdisk's own "
                  "file, or remove the file and run `tlogplay restore`",
                  options.path, *owner, options.vdisk.text()));
}

Status check_existing(io::File& file, const FileStorageOptions& options) {
  TLOG_TRY(check_owner(file, options));
  TLOG_ASSIGN(std::uint64_t size, file.size());
  if (size == options.size) return {};
  return fail(
      Code::kInvalidArgument,
      fmt::format("open: {}: the file has {} bytes, the vdisk {}; bring the contents back with "
                  "`tlogplay restore`, or correct the size in the configuration",
                  options.path, size, options.size));
}

Error missing_file(const FileStorageOptions& options) {
  return Error(Code::kNotFound,
               fmt::format("open: {}: the vdisk's file is missing; bring it back from the log with "
                           "`tlogplay restore`",
                           options.path));
}

}  // namespace

Result<std::unique_ptr<BlockStorage>> open_file_storage(const FileStorageOptions& options,
                                                        io::FileSystem& files) {
  TLOG_ASSERT(!options.create || !options.read_only);
  if (options.create) TLOG_TRY(files.make_directories(io::parent_path(options.path)));
  auto file = files.open(options.path, {.write = !options.read_only, .create = options.create});
  if (!file && file.error().code() == Code::kNotFound) return fail(missing_file(options));
  if (!file) return fail(file.error().within("block storage"));
  if (!options.read_only) {
    Status locked = (*file)->try_lock();
    if (!locked) return fail(locked.error().within("block storage"));
  }
  TLOG_TRY(options.create ? prepare_new(**file, options, files) : check_existing(**file, options));
  return std::make_unique<FileStorage>(std::move(*file), options);
}

}  // namespace tlog::blocks
