// A block device. It cannot be staged, so it must be blank (all zeros) or given up with --force,
// and in nobody's use. It is held with O_EXCL, which the kernel refuses for mounted devices and for
// parts of RAID, LVM and swap; io::File has no such thing, so that one descriptor is opened here.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "player/progress.h"
#include "player/target.h"
#include "tlog/base/buffer.h"
#include "tlog/base/limits.h"

namespace tlog::player {

namespace {

constexpr std::size_t kScanBytes = kMiB;

class DeviceTarget final : public Target {
 public:
  DeviceTarget(const TargetOptions& options, io::FileSystem& files)
      : options_(options), files_(files) {}
  ~DeviceTarget() override {
    if (claim_ >= 0) ::close(claim_);
  }

  Result<std::string> check(bool resuming) override {
    TLOG_TRY(claim());
    TLOG_ASSIGN(auto file, files_.open(options_.name, io::OpenOptions{}));
    TLOG_TRY(find_size());
    if (device_size_ < options_.size) {
      return fail(Code::kInvalidArgument,
                  fmt::format("restore: {}: too small: {} bytes for a vdisk of {}; name a larger "
                              "device",
                              options_.name, device_size_, options_.size));
    }
    std::string what = fmt::format("block device of {}", format_bytes(device_size_));
    if (resuming) return what + ", continues";
    if (options_.force) return what + ", its contents will be lost";
    TLOG_ASSIGN(blank_, is_blank(*file));
    if (blank_) return what + ", blank";
    return fail(Code::kAlreadyExists,
                fmt::format("restore: {}: holds data (not all zeros); name another target, or give "
                            "--force to overwrite it",
                            options_.name));
  }

  Result<std::string> identity() override {
    TLOG_TRY(claim());
    TLOG_TRY(find_size());
    struct stat found {};
    if (::stat(options_.name.c_str(), &found) != 0) {
      return fail(os_error(errno, "restore: " + options_.name));
    }
    return fmt::format("device:{}:{}:{}", major(found.st_rdev), minor(found.st_rdev), device_size_);
  }

  Status prepare(bool resuming) override {
    io::OpenOptions how;
    how.write = true;
    TLOG_ASSIGN(file_, files_.open(options_.name, how));
    if (resuming || blank_) return {};
    Change everything{ChangeKind::kDiscard, 0, options_.size, {}};
    return apply_to_file(*file_, {&everything, 1}, punching_);
  }

  Status apply(std::span<const Change> changes) override {
    return apply_to_file(*file_, changes, punching_);
  }
  Status sync() override { return file_->sync_data(); }
  Status commit() override { return file_->sync_data(); }

  bool wants_probe() const override { return true; }
  Status read(std::uint64_t offset, ByteSpan into) override {
    TLOG_ASSIGN(std::size_t count, file_->read(offset, into));
    if (count == into.size()) return {};
    return fail(Code::kIoError, fmt::format("read: {}: shorter than expected", options_.name));
  }

  const std::string& name() const override { return options_.name; }
  std::string unfinished_name() const override { return options_.name; }
  // Not beside the device: /dev is memory.
  std::string default_state_path() const override {
    std::string file = options_.name.substr(options_.name.find_last_of('/') + 1);
    return file + ".tlogplay-state";
  }

 private:
  Status claim() {
    if (claim_ >= 0) return {};
    claim_ = ::open(options_.name.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
    if (claim_ >= 0) return {};
    if (errno == EBUSY) {
      return fail(
          Code::kUnavailable,
          fmt::format("restore: {}: in use (mounted, or part of swap, RAID or LVM); unmount "
                      "it or name another target",
                      options_.name));
    }
    return fail(os_error(errno, "restore: " + options_.name));
  }
  Status find_size() {
    off_t end = ::lseek(claim_, 0, SEEK_END);
    if (end < 0) return fail(os_error(errno, "restore: " + options_.name));
    device_size_ = static_cast<std::uint64_t>(end);
    return {};
  }
  Result<bool> is_blank(io::File& file) const {
    Buffer buffer(kScanBytes);
    for (std::uint64_t at = 0; at < options_.size; at += kScanBytes) {
      std::size_t want = std::min<std::uint64_t>(kScanBytes, options_.size - at);
      TLOG_ASSIGN(std::size_t count, file.read(at, buffer.span().first(want)));
      if (count != want || !all_zero(buffer.span().first(count))) return false;
    }
    return true;
  }

  const TargetOptions options_;
  io::FileSystem& files_;
  int claim_ = -1;
  std::uint64_t device_size_ = 0;
  bool blank_ = false;
  HolePunching punching_{true, kBlockAlignment};
  std::unique_ptr<io::File> file_;
};

}  // namespace

std::unique_ptr<Target> make_device_target(const TargetOptions& options, io::FileSystem& files) {
  return std::make_unique<DeviceTarget>(options, files);
}

}  // namespace tlog::player
