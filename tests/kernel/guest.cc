#include "tests/kernel/guest.h"

#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "tests/crash/process.h"

namespace tlog::kernel {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr int kQemuStartMs = 30'000;

int milliseconds_to(SteadyClock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

Result<int> listen_on(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(Code::kInvalidArgument,
                "listen: " + path + ": too long for a socket; use a shorter TMPDIR");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(path.c_str());
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 1) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return fail(os_error(error, "listen: " + path));
  }
  return fd;
}

}  // namespace

Guest::~Guest() {
  kill();
  if (line_fd_ >= 0) close(line_fd_);
}

Status Guest::start() {
  const std::string path = options_.directory + "/job.sock";
  TLOG_ASSIGN(const int listener, listen_on(path));
  std::string arguments;
  for (const std::string& argument : options_.arguments)
    arguments += (arguments.empty() ? "" : ",") + argument;
  const std::string command = fmt::format(
      "exec qemu-system-x86_64 -machine q35 -accel tcg -cpu max -smp 2 -m 512 -nodefaults "
      "-no-reboot -display none "
      "-kernel {0}/vmlinuz -initrd {0}/initramfs.gz "
      "-append 'no_timer_check console=ttyS0 panic=-1 quiet job={1} job_args={2}' "
      "-serial file:{3} -chardev socket,id=job,path={4} -serial chardev:job "
      "-netdev user,id=net -device virtio-net-pci,netdev=net,romfile=",
      options_.image, options_.job, arguments, console(), path);
  auto spawned = crash::spawn({.command = command,
                               .log_path = options_.directory + "/qemu.log",
                               .directory = options_.directory});
  pollfd ready{.fd = listener, .events = POLLIN, .revents = 0};
  if (spawned) {
    qemu_ = *spawned;
    if (poll(&ready, 1, kQemuStartMs) == 1)
      line_fd_ = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  }
  close(listener);
  if (!spawned) return fail(spawned.error());
  if (line_fd_ < 0) {
    return fail(Code::kIoError,
                "qemu: does not start: " + crash::tail_of(options_.directory + "/qemu.log"));
  }
  return {};
}

Result<std::string> Guest::line(unsigned timeout_ms) {
  const auto deadline = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    const auto end = pending_.find('\n');
    if (end != std::string::npos) {
      std::string text = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      if (!text.empty() && text.back() == '\r') text.pop_back();
      transcript_ += text + "\n";
      return text;
    }
    pollfd ready{.fd = line_fd_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, milliseconds_to(deadline)) <= 0) {
      return fail(Code::kTimeout,
                  fmt::format("guest: silent for {} ms\n{}", timeout_ms, transcript()));
    }
    char buffer[4096];
    const ssize_t got = read(line_fd_, buffer, sizeof buffer);
    if (got <= 0) return fail(Code::kIoError, "guest: died\n" + transcript());
    pending_.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<std::string> Guest::line_with(const std::string& beginning, unsigned timeout_ms) {
  const auto deadline = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    TLOG_ASSIGN(std::string text, line(static_cast<unsigned>(milliseconds_to(deadline))));
    if (text.starts_with(beginning)) return text;
    if (text.starts_with("EXIT "))
      return fail(Code::kIoError, "guest: the job has ended\n" + transcript());
  }
}

Status Guest::say(const std::string& text) {
  const std::string bytes = text + "\n";
  if (write(line_fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) return {};
  return fail(os_error(errno, "guest: say"));
}

Result<int> Guest::run_to_end(unsigned timeout_ms) {
  TLOG_ASSIGN(const std::string text, line_with("EXIT ", timeout_ms));
  return static_cast<int>(std::strtol(text.c_str() + 5, nullptr, 10));
}

void Guest::kill() {
  if (qemu_ <= 0) return;
  ::kill(-qemu_, SIGKILL);
  (void)crash::wait_process(qemu_, 10'000);  // SIGKILL cannot be refused
  qemu_ = -1;
}

std::string Guest::transcript() const {
  return fmt::format("--- the job ---\n{}--- the kernel ---\n{}", transcript_,
                     crash::tail_of(console()));
}

}  // namespace tlog::kernel
