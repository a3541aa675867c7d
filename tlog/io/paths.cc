// Names of files, and whole small files.
#include <fmt/format.h>

#include "tlog/io/file.h"

namespace tlog::io {

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() || (!name.empty() && name.front() == '/')) return std::string(name);
  std::string path(directory);
  if (path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string parent_path(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  while (slash > 0 && path[slash - 1] == '/') --slash;
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

Result<std::string> read_file(FileSystem& files, const std::string& path, std::size_t size_max) {
  TLOG_ASSIGN(auto file, files.open(path, {}));
  // Not by the file's size: files of /proc and /sys have none.
  std::string contents;
  std::size_t chunk = 4096;
  for (;;) {
    std::size_t before = contents.size();
    contents.resize(before + chunk);
    auto into = std::as_writable_bytes(std::span(contents)).subspan(before);
    TLOG_ASSIGN(std::size_t got, file->read(before, into));
    contents.resize(before + got);
    if (contents.size() > size_max) {
      return fail(Code::kInvalidArgument,
                  fmt::format("read: {}: longer than {} bytes", path, size_max));
    }
    if (got < chunk) return contents;
    chunk = contents.size();
  }
}

Status write_file_atomically(FileSystem& files, const std::string& path, ConstByteSpan contents) {
  // One fixed name: what a crash leaves behind is overwritten by the next attempt, not collected.
  std::string temporary = path + ".tmp";
  {
    TLOG_ASSIGN(auto file, files.open(temporary, {.write = true, .create = true}));
    TLOG_TRY(file->resize(0));
    TLOG_TRY(file->write(0, contents));
    TLOG_TRY(file->sync_data());
  }
  TLOG_TRY(files.rename(temporary, path));
  return files.sync_directory(parent_path(path));
}

}  // namespace tlog::io
