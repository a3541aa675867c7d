#include "tests/crash/loop_mount.h"

#include <fmt/core.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/crash/process.h"

namespace tlog::crash {
namespace {

constexpr unsigned kCommandMs = 60'000;

bool in_path(const std::string& program) {
  for (const char* directory : {"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"}) {
    if (access((directory + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::string LoopMount::missing() {
  if (geteuid() != 0) return "only root may mount file systems";
  for (const char* device : {"/dev/fuse", "/dev/loop-control"}) {
    if (access(device, R_OK | W_OK) != 0) return fmt::format("{} cannot be used", device);
  }
  for (const char* program : {"nbdfuse", "losetup", "mkfs.ext4", "e2fsck", "mount", "umount"}) {
    if (!in_path(program)) return fmt::format("{} is not installed", program);
  }
  return "";
}

LoopMount::LoopMount(std::string directory) : directory_(std::move(directory)) {
  std::filesystem::create_directories(directory_ + "/fuse");
  std::filesystem::create_directories(path());
}

LoopMount::~LoopMount() {
  detach();
}

Status LoopMount::run(const std::string& command) {
  return run_command({.command = "PATH=$PATH:/usr/sbin:/sbin; " + command,
                      .log_path = log_path(),
                      .directory = directory_},
                     kCommandMs);
}

Status LoopMount::attach(const std::string& uri) {
  const std::string file = directory_ + "/fuse/disk";
  TLOG_ASSIGN(fuse_, spawn({.command = fmt::format("exec nbdfuse {} '{}'", file, uri),
                            .log_path = log_path(),
                            .directory = directory_}));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kCommandMs);
  while (access(file.c_str(), F_OK) != 0) {
    if (waitpid(fuse_, nullptr, WNOHANG) == fuse_) {
      fuse_ = -1;
      return fail(Code::kIoError, "nbdfuse: ended: " + tail_of(log_path()));
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return fail(Code::kTimeout, "nbdfuse: shows no disk: " + tail_of(log_path()));
    }
    const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
    nanosleep(&pause, nullptr);
  }
  TLOG_TRY(run(fmt::format("losetup -f --show {} > loop", file)));
  std::ifstream(directory_ + "/loop") >> loop_;
  return {};
}

Status LoopMount::mount() {
  TLOG_TRY(run(fmt::format("mount -t ext4 {} {}", loop_, path())));
  mounted_ = true;
  return {};
}

Status LoopMount::unmount() {
  TLOG_TRY(run("umount " + path()));
  mounted_ = false;
  return {};
}

// A dead disk makes the layers complain; what counts is whether they are gone, which the next
// attach() tells.
void LoopMount::detach() {
  if (mounted_ && !unmount()) (void)run("umount -l " + path());
  mounted_ = false;
  if (!loop_.empty()) (void)run("losetup -d " + loop_);
  loop_.clear();
  if (fuse_ <= 0) return;
  (void)run(fmt::format("umount {0}/fuse || umount -l {0}/fuse", directory_));
  if (!wait_process(fuse_, 10'000)) {
    kill(-fuse_, SIGKILL);
    (void)wait_process(fuse_, 10'000);
  }
  fuse_ = -1;
}

}  // namespace tlog::crash
