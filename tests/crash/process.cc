#include "tests/crash/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <fmt/core.h>

#include "tlog/base/assert.h"

namespace tlog::crash {

Result<int> wait_process(pid_t pid, unsigned timeout_ms) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return fail(os_error(errno, fmt::format("wait: process {}", pid)));
  pollfd ended{.fd = fd, .events = POLLIN, .revents = 0};
  const int ready = poll(&ended, 1, static_cast<int>(timeout_ms));
  close(fd);
  if (ready <= 0)
    return fail(Code::kTimeout,
                fmt::format("wait: process {}: still running after {} ms", pid, timeout_ms));
  int status = 0;
  if (waitpid(pid, &status, 0) != pid)
    return fail(os_error(errno, fmt::format("wait: process {}", pid)));
  return status;
}

std::string read_rest(int fd) {
  std::string text;
  char buffer[1024];
  for (ssize_t got = read(fd, buffer, sizeof buffer); got > 0;
       got = read(fd, buffer, sizeof buffer)) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

std::string wait_status_text(int status) {
  if (WIFEXITED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("wait status {}", status);
}

Result<pid_t> spawn(const SpawnOptions& options) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return fail(os_error(errno, "fork: " + options.command));
  if (pid > 0) return pid;

  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  const int log = open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int null = open("/dev/null", O_RDONLY);
  if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(127);
  // Sockets and pipes of the test are not the child's business.
  syscall(SYS_close_range, 3U, ~0U, 0U);
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(127);
  execl("/bin/sh", "sh", "-c", options.command.c_str(), static_cast<char*>(nullptr));
  _exit(127);
}

Status run_command(const SpawnOptions& options, unsigned timeout_ms) {
  TLOG_ASSIGN(const pid_t pid, spawn(options));
  const Result<int> status = wait_process(pid, timeout_ms);
  if (!status) {
    kill(-pid, SIGKILL);
    (void)wait_process(pid, 10'000);  // so that it is no zombie; the error is already known
    return fail(status.error().within(options.command));
  }
  if (*status == 0) return {};
  return fail(Code::kIoError, fmt::format("{}: {}: {}", options.command, wait_status_text(*status),
                                          tail_of(options.log_path)));
}

std::string tail_of(const std::string& path, std::size_t bytes_max) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const auto size = static_cast<std::size_t>(file.tellg());
  const std::size_t wanted = std::min(size, bytes_max);
  std::string text(wanted, '\0');
  file.seekg(static_cast<std::streamoff>(size - wanted));
  file.read(text.data(), static_cast<std::streamsize>(wanted));
  return text;
}

std::string expand(std::string text,
                   const std::vector<std::pair<std::string, std::string>>& values) {
  for (const auto& [name, value] : values) {
    const std::string placeholder = "{" + name + "}";
    for (auto at = text.find(placeholder); at != std::string::npos;
         at = text.find(placeholder, at + value.size())) {
      text.replace(at, placeholder.size(), value);
    }
  }
  return text;
}

ScratchDirectory::ScratchDirectory(const std::string& prefix) {
  std::string name = (std::filesystem::temp_directory_path() / (prefix + "-XXXXXX")).string();
  TLOG_ASSERT(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;  // a directory that cannot be removed is no test's failure
  if (!kept_) std::filesystem::remove_all(path_, ignored);
}

}  // namespace tlog::crash
