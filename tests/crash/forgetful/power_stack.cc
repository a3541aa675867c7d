#include "tests/crash/forgetful/power_stack.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
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

std::string PowerStack::missing() {
  if (geteuid() != 0) return "only root may mount file systems";
  for (const char* device : {"/dev/fuse", "/dev/loop-control"}) {
    if (access(device, R_OK | W_OK) != 0) return fmt::format("{} cannot be used", device);
  }
  for (const char* program : {"nbdkit", "nbdfuse", "losetup", "mkfs.ext4", "mount", "umount"}) {
    if (!in_path(program)) return fmt::format("{} is not installed", program);
  }
  return "";
}

PowerStack::PowerStack(std::string directory, std::string plugin, std::string landing)
    : directory_(std::move(directory)), plugin_(std::move(plugin)), landing_(std::move(landing)) {}

PowerStack::~PowerStack() {
  down();
}

Status PowerStack::run(const std::string& command) {
  return run_command({.command = command, .log_path = log_path(), .directory = directory_},
                     kCommandMs);
}

Status PowerStack::create(std::uint64_t bytes) {
  const std::string image = directory_ + "/disk.img";
  std::ofstream(image).close();
  std::filesystem::resize_file(image, bytes);
  std::filesystem::create_directory(directory_ + "/fuse");
  std::filesystem::create_directory(mount());
  TLOG_TRY(run("mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 disk.img"));
  return up(1);
}

Status PowerStack::attach(std::uint64_t seed) {
  disk_ = std::make_unique<Server>(ServerOptions{
      .command = fmt::format("nbdkit -f -U {{socket}} {} file={}/disk.img land={} seed={}", plugin_,
                             directory_, landing_, seed),
      .export_name = "",
      .directory = directory_});
  TLOG_TRY(disk_->start());
  TLOG_ASSIGN(
      fuse_,
      spawn({.command = fmt::format("exec nbdfuse {}/fuse/disk '{}'", directory_, disk_->uri()),
             .log_path = log_path(),
             .directory = directory_}));
  const std::string file = directory_ + "/fuse/disk";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kCommandMs);
  while (access(file.c_str(), F_OK) != 0) {
    if (waitpid(fuse_, nullptr, WNOHANG) == fuse_ || std::chrono::steady_clock::now() > deadline) {
      return fail(Code::kIoError, "nbdfuse: does not start: " + tail_of(log_path()));
    }
    const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
    nanosleep(&pause, nullptr);
  }
  const std::string answer = directory_ + "/loop";
  TLOG_TRY(run(fmt::format("losetup -f --show {} > {}", file, answer)));
  std::getline(std::ifstream(answer), loop_);
  return {};
}

Status PowerStack::mount_file_system() {
  TLOG_TRY(run(fmt::format("mount -t ext4 {} {}", loop_, mount())));
  mounted_ = true;
  return {};
}

Status PowerStack::up(std::uint64_t seed) {
  down();
  TLOG_TRY(attach(seed));
  return mount_file_system();
}

void PowerStack::cut() {
  if (disk_) (void)disk_->kill();  // it is dead or never was; down() cleans up either way
}

// Each layer in turn; a dead disk makes them complain, and the next up() tells whether anything is
// still there.
void PowerStack::down() {
  if (mounted_ && !run("umount " + mount())) (void)run("umount -l " + mount());
  mounted_ = false;
  if (!loop_.empty()) (void)run("losetup -d " + loop_);
  loop_.clear();
  if (fuse_ > 0) {
    (void)run(fmt::format("umount {0}/fuse || umount -l {0}/fuse", directory_));
    if (!wait_process(fuse_, 10'000)) {
      kill(-fuse_, SIGKILL);
      (void)wait_process(fuse_, 10'000);  // nothing more can be done about it
    }
    fuse_ = -1;
  }
  disk_.reset();
}

}  // namespace tlog::crash
