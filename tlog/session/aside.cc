#include "tlog/session/aside.h"

#include <fmt/format.h>

namespace tlog::session {
namespace {

Status rename_durably(io::FileSystem& files, const std::string& from, const std::string& to) {
  TLOG_TRY(files.rename(from, to));
  return files.sync_directory(io::parent_path(from));
}

Status remove_if_there(io::FileSystem& files, const std::string& path) {
  Status removed = files.remove(path);
  if (!removed && removed.error().code() == Code::kNotFound) return {};
  return removed;
}

// A journal's folder has files only.
Status remove_folder(io::FileSystem& files, const std::string& path) {
  TLOG_ASSIGN(const auto entries, files.list(path));
  for (const io::DirectoryEntry& entry : entries) {
    TLOG_TRY(remove_if_there(files, io::join_path(path, entry.name)));
  }
  return remove_if_there(files, path);
}

}  // namespace

Result<std::string> move_aside(io::FileSystem& files, const std::string& path) {
  for (unsigned i = 1;; ++i) {
    std::string aside = fmt::format("{}.before-takeover-{}", path, i);
    TLOG_ASSIGN(bool taken, files.exists(aside));
    if (taken) continue;
    TLOG_TRY(rename_durably(files, path, aside));
    return aside;
  }
}

Result<std::string> keep_aside(io::FileSystem& files, const std::string& path) {
  std::string aside = path + ".taken-over";
  TLOG_TRY(rename_durably(files, path, aside));  // over the one before
  return aside;
}

Result<std::string> keep_journal_aside(io::FileSystem& files, const std::string& path,
                                       const Uuid& journal, const std::string& arena_directory) {
  const std::string parent = io::parent_path(path);
  const std::string prefix = path.substr(parent == "/" ? 1 : parent.size() + 1) + ".taken-over-";
  const std::size_t uuid_length = journal.text().size();
  TLOG_ASSIGN(const auto entries, files.list(parent));
  for (const io::DirectoryEntry& entry : entries) {
    const bool is_aside = entry.is_directory && entry.name.starts_with(prefix) &&
                          entry.name.size() == prefix.size() + uuid_length;
    if (!is_aside) continue;
    const std::string arena = "tlogdisk-" + entry.name.substr(prefix.size());
    TLOG_TRY(remove_if_there(files, io::join_path(arena_directory, arena)));
    TLOG_TRY(remove_folder(files, io::join_path(parent, entry.name)));
  }
  std::string aside = io::join_path(parent, prefix + journal.text());
  TLOG_TRY(rename_durably(files, path, aside));
  return aside;
}

}  // namespace tlog::session
