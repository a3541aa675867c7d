#include "tlog/io/system_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace tlog::io {
namespace {

std::string attribute_name(std::string_view name) {
  return "user." + std::string(name);
}

class SystemFile final : public File {
 public:
  SystemFile(int descriptor, std::string path) : path_(std::move(path)), descriptor_(descriptor) {}
  ~SystemFile() override { ::close(descriptor_); }

  using File::write;
  Result<std::size_t> read(std::uint64_t offset, ByteSpan into) override;
  Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) override;
  Status sync_data() override { return check("sync", ::fdatasync(descriptor_)); }
  Status resize(std::uint64_t size) override {
    return check("resize", ::ftruncate(descriptor_, static_cast<off_t>(size)));
  }
  Status preallocate(std::uint64_t offset, std::uint64_t length) override {
    return allocate("preallocate", 0, offset, length);
  }
  Status punch_hole(std::uint64_t offset, std::uint64_t length) override {
    return allocate("punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  }
  Result<std::uint64_t> size() override;
  Result<std::uint64_t> next_data(std::uint64_t offset) override { return seek(offset, SEEK_DATA); }
  Result<std::uint64_t> next_hole(std::uint64_t offset) override { return seek(offset, SEEK_HOLE); }
  void start_writeback(std::uint64_t offset, std::uint64_t length) override {
    (void)::sync_file_range(descriptor_, static_cast<off64_t>(offset), static_cast<off64_t>(length),
                            SYNC_FILE_RANGE_WRITE);
  }
  Status try_lock() override;
  Status set_attribute(std::string_view name, std::string_view value) override {
    return check("set attribute", ::fsetxattr(descriptor_, attribute_name(name).c_str(),
                                              value.data(), value.size(), 0));
  }
  Result<std::string> attribute(std::string_view name) override;
  const std::string& path() const override { return path_; }
  int descriptor() const override { return descriptor_; }

 private:
  Error error(std::string_view operation, int error_number) const {
    return os_error(error_number, fmt::format("{}: {}", operation, path_));
  }
  Status check(std::string_view operation, int result) const {
    if (result == 0) return {};
    return fail(error(operation, errno));
  }
  Status allocate(std::string_view operation, int mode, std::uint64_t offset,
                  std::uint64_t length) {
    int result = 0;
    do {
      result =
          ::fallocate(descriptor_, mode, static_cast<off_t>(offset), static_cast<off_t>(length));
    } while (result != 0 && errno == EINTR);
    // Pages of a device that somebody has in memory cannot be let go at the moment.
    if (result != 0 && errno == EBUSY) {
      return fail(Code::kUnavailable, error(operation, EBUSY).message());
    }
    return check(operation, result);
  }
  Result<std::uint64_t> seek(std::uint64_t offset, int whence);

  const std::string path_;
  const int descriptor_;
};

Result<std::size_t> SystemFile::read(std::uint64_t offset, ByteSpan into) {
  std::size_t done = 0;
  while (done < into.size()) {
    ssize_t got = ::pread(descriptor_, into.data() + done, into.size() - done,
                          static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(error("read", errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Status SystemFile::write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) {
  std::vector<iovec> vectors;
  vectors.reserve(pieces.size());
  for (ConstByteSpan piece : pieces) {
    if (piece.empty()) continue;
    vectors.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
  }
  std::size_t first = 0;
  while (first < vectors.size()) {
    int count = static_cast<int>(std::min<std::size_t>(vectors.size() - first, IOV_MAX));
    ssize_t put = ::pwritev(descriptor_, vectors.data() + first, count, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail(error("write", errno));
    if (put == 0) return fail(Code::kIoError, fmt::format("write: {}: nothing was taken", path_));
    offset += static_cast<std::uint64_t>(put);
    auto left = static_cast<std::size_t>(put);
    while (first < vectors.size() && left >= vectors[first].iov_len)
      left -= vectors[first++].iov_len;
    if (left > 0) {
      vectors[first].iov_base = static_cast<std::byte*>(vectors[first].iov_base) + left;
      vectors[first].iov_len -= left;
    }
  }
  return {};
}

Result<std::uint64_t> SystemFile::size() {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return fail(error("stat", errno));
  if (!S_ISBLK(status.st_mode)) return static_cast<std::uint64_t>(status.st_size);
  off_t end = ::lseek(descriptor_, 0, SEEK_END);  // a block device has no st_size
  if (end < 0) return fail(error("seek", errno));
  return static_cast<std::uint64_t>(end);
}

Result<std::uint64_t> SystemFile::seek(std::uint64_t offset, int whence) {
  off_t found = ::lseek(descriptor_, static_cast<off_t>(offset), whence);
  if (found >= 0) return static_cast<std::uint64_t>(found);
  if (errno == ENXIO) return size();
  return fail(error("seek", errno));
}

Status SystemFile::try_lock() {
  int result = 0;
  do {
    result = ::flock(descriptor_, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return {};
  if (errno != EWOULDBLOCK) return fail(error("lock", errno));
  return fail(Code::kUnavailable,
              fmt::format("lock: {}: another process has it; stop that process first", path_));
}

Result<std::string> SystemFile::attribute(std::string_view name) {
  std::string key = attribute_name(name);
  std::string value(256, '\0');
  for (;;) {
    ssize_t length = ::fgetxattr(descriptor_, key.c_str(), value.data(), value.size());
    if (length >= 0) {
      value.resize(static_cast<std::size_t>(length));
      return value;
    }
    if (errno == ENODATA) {
      return fail(Code::kNotFound, fmt::format("attribute: {}: no {}", path_, name));
    }
    if (errno != ERANGE || value.size() > 64 * kKiB) return fail(error("attribute", errno));
    value.resize(value.size() * 4);
  }
}

}  // namespace

std::unique_ptr<File> make_system_file(int descriptor, std::string path) {
  return std::make_unique<SystemFile>(descriptor, std::move(path));
}

}  // namespace tlog::io
