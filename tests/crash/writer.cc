#include "tests/crash/writer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <fmt/core.h>

#include "tests/crash/process.h"
#include "tests/crash/writer_process.h"

namespace tlog::crash {

Writer::~Writer() {
  kill();
  if (pid_ > 0) (void)wait_process(pid_, 10'000);
  if (ready_fd_ >= 0) close(ready_fd_);
}

Status Writer::start(const WriterOptions& options, History& history, unsigned timeout_ms) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return fail(os_error(errno, "pipe: writer"));
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const Status status = run_writer(options, history, fds[1]);
    if (!status)
      (void)!write(fds[1], status.error().message().data(), status.error().message().size());
    _exit(status ? 0 : 1);  // none of the parent's exit handlers
  }
  close(fds[1]);
  ready_fd_ = fds[0];
  if (pid_ < 0) return fail(os_error(errno, "fork: writer"));

  pollfd ready{.fd = ready_fd_, .events = POLLIN, .revents = 0};
  if (poll(&ready, 1, static_cast<int>(timeout_ms)) <= 0) {
    return fail(Code::kTimeout, fmt::format("writer: no answer within {} ms", timeout_ms));
  }
  char byte = 0;
  if (read(ready_fd_, &byte, 1) == 1 && byte == '!') return {};
  if (byte != 0) return fail(Code::kIoError, byte + read_rest(ready_fd_));
  return fail(Code::kIoError, "writer: ended before the first answer");
}

void Writer::ask_to_stop() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

void Writer::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Status Writer::wait(unsigned timeout_ms) {
  TLOG_ASSIGN(const int status, wait_process(pid_, timeout_ms));
  pid_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
    return fail(Code::kIoError, read_rest(ready_fd_));
  return {};
}

}  // namespace tlog::crash
