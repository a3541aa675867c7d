#include "ctl/config_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tlog/config/config.h"

namespace tlog::ctl {
namespace {

// Whoever could read the file before can read it afterwards, and nobody else.
Status copy_rights(const std::string& from, const io::File& to) {
  struct stat found {};
  if (::stat(from.c_str(), &found) != 0) return fail(os_error(errno, "stat: " + from));
  struct stat made {};
  if (::fstat(to.descriptor(), &made) != 0) return fail(os_error(errno, "stat: " + to.path()));
  const bool is_other_owner = made.st_uid != found.st_uid || made.st_gid != found.st_gid;
  if (is_other_owner && ::fchown(to.descriptor(), found.st_uid, found.st_gid) != 0) {
    return fail(os_error(errno, fmt::format("chown: {}: it must get the owner of {}; run this as "
                                            "root or as that owner",
                                            to.path(), from)));
  }
  if (::fchmod(to.descriptor(), found.st_mode & 07777) != 0) {
    return fail(os_error(errno, "chmod: " + to.path()));
  }
  return {};
}

Status write_beside(io::FileSystem& files, const std::string& path, const std::string& temporary,
                    const std::string& text) {
  TLOG_ASSIGN(auto file, files.open(temporary, {.write = true, .create = true}));
  TLOG_TRY(file->resize(0));
  TLOG_TRY(copy_rights(path, *file));
  TLOG_TRY(file->write(0, bytes_of(std::string_view(text))));
  return file->sync_data();
}

}  // namespace

Result<ConfigFile> ConfigFile::open(io::FileSystem& files, const std::string& path) {
  std::error_code error;
  const std::string real = std::filesystem::canonical(path, error).string();
  if (error) return fail(os_error(error.value(), "open: " + path));
  ConfigFile file(files, real);
  TLOG_ASSIGN(file.locked_, files.open(real, {.write = true}));
  if (Status locked = file.locked_->try_lock(); !locked) {
    if (locked.error().code() != Code::kUnavailable) return fail(locked.error());
    return fail(Code::kUnavailable,
                fmt::format("open: {}: another tlogctl is changing it; try again", real));
  }
  TLOG_ASSIGN(file.text_, config::read(files, real));
  return file;
}

// One fixed name beside it, as in io::write_file_atomically: what a crash leaves behind is
// overwritten by the next attempt.
Status ConfigFile::replace(const std::string& text) {
  const std::string temporary = path_ + ".tlogctl";
  Status written = write_beside(*files_, path_, temporary, text);
  auto now = config::read(*files_, path_);
  if (written && (!now || *now != text_)) {
    written = fail(Code::kUnavailable,
                   fmt::format("write: {}: somebody has changed it meanwhile; look at it and begin "
                               "again",
                               path_));
  }
  if (written) written = files_->rename(temporary, path_);
  if (!written) {
    (void)files_->remove(temporary);  // the error is what counts
    return written;
  }
  text_ = text;
  return files_->sync_directory(io::parent_path(path_));
}

}  // namespace tlog::ctl
