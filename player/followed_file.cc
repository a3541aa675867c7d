// A regular file that is kept current: written in place, because it goes on changing after it is
// complete. It begins as a new file, or one that is given up with --force.
#include <fmt/format.h>
#include <sys/stat.h>

#include "player/progress.h"
#include "player/target.h"

namespace tlog::player {
namespace {

class FollowedFile final : public Target {
 public:
  FollowedFile(const TargetOptions& options, io::FileSystem& files)
      : options_(options), files_(files) {}

  Result<std::string> check(bool resuming) override {
    TLOG_ASSIGN(const bool exists, files_.exists(options_.name));
    if (exists && !resuming && !options_.force && !is_blank()) {
      return fail(Code::kAlreadyExists,
                  fmt::format("follow: {}: exists already, and nothing says that it was followed "
                              "here; name another target, or give --force to overwrite it",
                              options_.name));
    }
    return fmt::format("{}, {}",
                       resuming ? "goes on"
                       : exists ? "overwrites the file"
                                : "new file",
                       format_bytes(options_.size));
  }

  // With its size: one that somebody has cut is another one.
  Result<std::string> identity() override {
    struct stat found {};
    if (::stat(options_.name.c_str(), &found) != 0) return std::string();
    return fmt::format("followed:{}:{}:{}", found.st_dev, found.st_ino, found.st_size);
  }

  Result<std::string> stamp() override {
    struct stat found {};
    if (::stat(options_.name.c_str(), &found) != 0) return std::string("gone");
    return fmt::format("{}.{:09}", found.st_mtim.tv_sec, found.st_mtim.tv_nsec);
  }

  Status prepare(bool resuming) override {
    if (!file_) TLOG_TRY(take_hold(resuming));
    if (!resuming) {
      TLOG_TRY(file_->resize(0));
      TLOG_TRY(file_->resize(options_.size));
      const std::string folder = io::parent_path(options_.name);
      return files_.sync_directory(folder.empty() ? "." : folder);
    }
    TLOG_ASSIGN(const std::uint64_t size, file_->size());
    if (size == options_.size) return {};
    return fail(Code::kFenced,
                fmt::format("follow: {}: it has {} bytes, and the vdisk {}: another vdisk is told "
                            "of now; name another target",
                            options_.name, size, options_.size));
  }

  Status apply(std::span<const Change> changes) override {
    return apply_to_file(*file_, changes, punching_);
  }
  Status sync() override { return file_->sync_data(); }
  Status commit() override { return file_->sync_data(); }

  Status read(std::uint64_t offset, ByteSpan into) override {
    TLOG_ASSIGN(const std::size_t count, file_->read(offset, into));
    if (count == into.size()) return {};
    return fail(Code::kIoError, fmt::format("read: {}: shorter than expected", options_.name));
  }

  const std::string& name() const override { return options_.name; }
  std::string unfinished_name() const override { return options_.name; }
  std::string default_state_path() const override { return options_.name + ".tlogplay-follow"; }

 private:
  // Nothing was ever written to it: perhaps by a follower that was killed at once.
  bool is_blank() const {
    struct stat found {};
    return ::stat(options_.name.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
           found.st_blocks == 0;
  }

  // Kept until it ends: nobody else may write to it between two rounds.
  Status take_hold(bool resuming) {
    io::OpenOptions how;
    how.write = true;
    how.create = !resuming;
    TLOG_ASSIGN(auto file, files_.open(options_.name, how));
    if (Status locked = file->try_lock(); !locked) {
      return fail(
          locked.error().code(),
          fmt::format("follow: {}: in use by another process; end it first", options_.name));
    }
    file_ = std::move(file);
    return {};
  }

  const TargetOptions options_;
  io::FileSystem& files_;
  std::unique_ptr<io::File> file_;
  HolePunching punching_;
};

}  // namespace

std::unique_ptr<Target> make_followed_file(const TargetOptions& options, io::FileSystem& files) {
  return std::make_unique<FollowedFile>(options, files);
}

}  // namespace tlog::player
