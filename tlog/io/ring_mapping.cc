// The doubly mapped shared memory of a ring.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "tlog/base/limits.h"
#include "tlog/io/system_file.h"

namespace tlog::io {
namespace {

Error ring_error(int error_number, const std::string& path) {
  return os_error(error_number, fmt::format("map: {}", path));
}

class SystemRingMapping final : public RingMapping {
 public:
  SystemRingMapping(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  ~SystemRingMapping() override { ::munmap(data_, 2 * size_); }
  std::byte* data() override { return data_; }
  std::size_t size() const override { return size_; }

 private:
  std::byte* const data_;
  const std::size_t size_;
};

// Allocated now: a full tmpfs shall answer ENOSPC here, not SIGBUS at some later store into the
// memory. Under another name until it is complete, so that a crash leaves no half allocated ring.
Status create_ring(const std::string& path, std::size_t bytes) {
  std::string unfinished = path + ".new";
  int descriptor = ::open(unfinished.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return fail(ring_error(errno, unfinished));
  int result = 0;
  do {
    result = ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  } while (result == EINTR);
  ::close(descriptor);
  if (result == 0 && ::rename(unfinished.c_str(), path.c_str()) != 0) result = errno;
  if (result == 0) return {};
  ::unlink(unfinished.c_str());
  return fail(ring_error(result, path));
}

Result<int> open_ring(const std::string& path, std::size_t bytes) {
  int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) {
    TLOG_TRY(create_ring(path, bytes));
    descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  }
  if (descriptor < 0) return fail(ring_error(errno, path));
  return descriptor;
}

Result<std::byte*> map_twice(int descriptor, const std::string& path, std::size_t bytes) {
  void* reserved = ::mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserved == MAP_FAILED) return fail(ring_error(errno, path));
  auto* base = static_cast<std::byte*>(reserved);
  for (int copy = 0; copy < 2; ++copy) {
    void* place = base + static_cast<std::size_t>(copy) * bytes;
    if (::mmap(place, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0) ==
        MAP_FAILED) {
      int reason = errno;
      ::munmap(base, 2 * bytes);
      return fail(ring_error(reason, path));
    }
  }
  return base;
}

}  // namespace

Result<std::unique_ptr<RingMapping>> map_system_ring(const std::string& path, std::size_t bytes) {
  if (bytes == 0 || bytes % kBlockAlignment != 0) {
    return fail(Code::kInvalidArgument, fmt::format("map: {}: {} is not a multiple of {} bytes",
                                                    path, bytes, kBlockAlignment));
  }
  TLOG_ASSIGN(int descriptor, open_ring(path, bytes));
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || static_cast<std::size_t>(status.st_size) != bytes) {
    ::close(descriptor);
    return fail(Code::kInvalidArgument,
                fmt::format("map: {}: has {} bytes where {} are configured; restore the old size",
                            path, status.st_size, bytes));
  }
  auto base = map_twice(descriptor, path, bytes);
  ::close(descriptor);  // the mapping keeps the file
  if (!base) return fail(std::move(base).error());
  return std::make_unique<SystemRingMapping>(*base, bytes);
}

}  // namespace tlog::io
