// A regular file, staged: the bytes go to NAME.tlogplay-partial, which is renamed to NAME when it
// is complete and synced. So a file that is there already stays whole until then.
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "player/progress.h"
#include "player/target.h"

namespace tlog::player {

namespace {

class FileTarget final : public Target {
 public:
  FileTarget(const TargetOptions& options, io::FileSystem& files)
      : options_(options), files_(files) {
    // A symbolic link stays: what it points to is replaced.
    std::error_code error;
    auto resolved = std::filesystem::weakly_canonical(options.name, error);
    path_ = error ? options.name : resolved.string();
    partial_path_ = path_ + ".tlogplay-partial";
  }

  Result<std::string> check(bool resuming) override {
    std::string parent = parent_path(path_);
    TLOG_ASSIGN(bool parent_exists, files_.exists(parent));
    if (!parent_exists) {
      return fail(Code::kNotFound,
                  fmt::format("restore: {}: its folder {} does not exist; create it first",
                              options_.name, parent));
    }
    TLOG_ASSIGN(bool exists, files_.exists(path_));
    if (exists) {
      if (!options_.force) return fail(already_exists());
      TLOG_TRY(check_unused(path_));
    }
    TLOG_TRY(check_unused(partial_path_));
    std::string what = exists ? "replaces the existing file when complete" : "new file";
    if (resuming) what += ", continues in " + partial_path_;
    return fmt::format("{}, {}", what, format_bytes(options_.size));
  }

  Result<std::string> identity() override {
    struct stat found {};
    if (::stat(partial_path_.c_str(), &found) != 0) return std::string();
    return fmt::format("file:{}:{}:{}", partial_path_, found.st_dev, found.st_ino);
  }

  Status prepare(bool resuming) override {
    if (!resuming) {
      Status removed = files_.remove(partial_path_);
      if (!removed && removed.error().code() != Code::kNotFound) return removed;
    }
    io::OpenOptions how;
    how.write = true;
    how.create = !resuming;
    how.exclusive = !resuming;
    TLOG_ASSIGN(file_, files_.open(partial_path_, how));
    if (Status locked = file_->try_lock(); !locked) {
      return fail(locked.error().code(),
                  fmt::format("restore: {}: in use by another process; wait for the other restore "
                              "to end",
                              partial_path_));
    }
    return file_->resize(options_.size);
  }

  Status apply(std::span<const Change> changes) override {
    return apply_to_file(*file_, changes, punching_);
  }
  Status sync() override { return file_->sync_data(); }

  Status commit() override {
    TLOG_TRY(file_->sync_data());
    TLOG_ASSIGN(bool exists, files_.exists(path_));
    if (exists && !options_.force) return fail(already_exists());
    if (exists) TLOG_TRY(check_unused(path_));
    TLOG_TRY(files_.rename(partial_path_, path_));
    return files_.sync_directory(parent_path(path_));
  }

  Status read(std::uint64_t offset, ByteSpan into) override {
    TLOG_ASSIGN(std::size_t count, file_->read(offset, into));
    if (count == into.size()) return {};
    return fail(Code::kIoError, fmt::format("read: {}: shorter than expected", partial_path_));
  }

  const std::string& name() const override { return options_.name; }
  std::string unfinished_name() const override { return partial_path_; }
  std::string default_state_path() const override { return path_ + ".tlogplay-state"; }

 private:
  static std::string parent_path(const std::string& path) {
    std::string parent = io::parent_path(path);
    return parent.empty() ? "." : parent;
  }
  Error already_exists() const {
    return Error(Code::kAlreadyExists,
                 fmt::format("restore: {}: exists already; name another target, or give --force to "
                             "replace it once the restore is complete",
                             options_.name));
  }
  // A server that has the old file open would go on with a file that has no name any more; the
  // unfinished file of another restore must not be taken away from it.
  Status check_unused(const std::string& path) {
    auto file = files_.open(path, io::OpenOptions{});
    if (!file && file.error().code() == Code::kNotFound) return {};
    if (!file) return fail(file.error());
    if (Status locked = (*file)->try_lock(); !locked) {
      return fail(locked.error().code(),
                  fmt::format("restore: {}: in use by another process; stop it or name another "
                              "target",
                              path));
    }
    return {};
  }

  const TargetOptions options_;
  io::FileSystem& files_;
  std::string path_;
  std::string partial_path_;
  std::unique_ptr<io::File> file_;
  HolePunching punching_;
};

}  // namespace

std::unique_ptr<Target> make_file_target(const TargetOptions& options, io::FileSystem& files) {
  return std::make_unique<FileTarget>(options, files);
}

}  // namespace tlog::player
