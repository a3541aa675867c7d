// FileSystem over POSIX.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "tlog/io/file.h"
#include "tlog/io/system_file.h"

namespace tlog::io {
namespace {

Error path_error(std::string_view operation, const std::string& path) {
  return os_error(errno, fmt::format("{}: {}", operation, path));
}

class SystemFiles final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Status make_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Status remove(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Result<bool> exists(const std::string& path) override;
  Result<unsigned> mode(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<RingMapping>> map_ring(const std::string& path,
                                                std::size_t bytes) override {
    return map_system_ring(path, bytes);
  }
  std::string boot_id() override;
};

Result<std::unique_ptr<File>> SystemFiles::open(const std::string& path, OpenOptions options) {
  int flags = O_CLOEXEC | (options.write ? O_RDWR : O_RDONLY);
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags, 0600);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) return fail(path_error("open", path));
  if (options.direct) {
    // Switched on afterwards, because an open() that fails for O_DIRECT may have created the file
    // already.
    int now = ::fcntl(descriptor, F_GETFL);
    if (now >= 0) (void)::fcntl(descriptor, F_SETFL, now | O_DIRECT);
  }
  return make_system_file(descriptor, path);
}

Status SystemFiles::make_directories(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return sync_directory(parent_path(path));
  if (errno == ENOENT) {
    std::string parent = parent_path(path);
    if (parent == path) return fail(path_error("make directory", path));
    TLOG_TRY(make_directories(parent));
    if (::mkdir(path.c_str(), 0700) == 0) return sync_directory(parent);
  }
  if (errno != EEXIST) return fail(path_error("make directory", path));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(path_error("make directory", path));
  if (S_ISDIR(status.st_mode)) return {};
  return fail(Code::kAlreadyExists, fmt::format("make directory: {}: a file has this name", path));
}

Status SystemFiles::sync_directory(const std::string& path) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return fail(path_error("sync directory", path));
  int result = ::fsync(descriptor);
  int reason = errno;
  ::close(descriptor);
  if (result == 0) return {};
  errno = reason;
  return fail(path_error("sync directory", path));
}

bool is_directory(int parent, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat status {};
  return ::fstatat(parent, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(status.st_mode);
}

Result<std::vector<DirectoryEntry>> SystemFiles::list(const std::string& path) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return fail(path_error("list", path));
  std::vector<DirectoryEntry> entries;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory);
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    entries.push_back({std::move(name), is_directory(::dirfd(directory), *entry)});
  }
  int reason = errno;
  ::closedir(directory);
  if (reason != 0) return fail(os_error(reason, fmt::format("list: {}", path)));
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  return entries;
}

Status SystemFiles::remove(const std::string& path) {
  if (::remove(path.c_str()) == 0) return {};
  return fail(path_error("remove", path));
}

Status SystemFiles::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return fail(path_error("rename", from + " to " + to));
}

Result<bool> SystemFiles::exists(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail(path_error("stat", path));
}

Result<unsigned> SystemFiles::mode(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(path_error("stat", path));
  return static_cast<unsigned>(status.st_mode & 07777);
}

Result<std::uint64_t> SystemFiles::free_bytes(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return fail(path_error("statvfs", path));
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

std::string SystemFiles::boot_id() {
  auto id = read_file(*this, "/proc/sys/kernel/random/boot_id", 4096);
  // Without /proc every opening counts as a new boot: memory-backed files are then never trusted.
  if (!id) return fmt::format("unknown-{}", ::getpid());
  while (!id->empty() && id->back() == '\n') id->pop_back();
  return *id;
}

}  // namespace

FileSystem& system_files() {
  static SystemFiles files;
  return files;
}

}  // namespace tlog::io
