// Chooses the loop's implementation.
#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "tlog/io/loop_base.h"

namespace tlog::io {
namespace {

std::string likely_cause(int error_number) {
  switch (error_number) {
    case ENOSYS:
      return "likely cause: a kernel without io_uring, or a seccomp filter that hides it; remedy: "
             "a kernel of 5.11 or newer, or a seccomp profile that allows io_uring_*";
    case EPERM:
      return "likely cause: a seccomp filter (the default of containers) or sysctl "
             "kernel.io_uring_disabled=1 or 2; remedy: allow io_uring_* in the seccomp profile, or "
             "sysctl kernel.io_uring_disabled=0";
    case ENOMEM:
      return "likely cause: the limit of locked memory; remedy: raise it (ulimit -l, "
             "LimitMEMLOCK=)";
    case EMFILE:
    case ENFILE:
      return "likely cause: the limit of open files; remedy: raise it (ulimit -n, LimitNOFILE=)";
    default:
      return "the cause is not known";
  }
}

}  // namespace

Result<std::unique_ptr<Loop>> make_loop(const LoopOptions& options, Logger& logger) {
  if (options.mode == IoMode::kPosix) return make_posix_loop(options, logger);
  int reason = probe_uring();
  if (reason == 0) return make_uring_loop(options, logger);
  std::string message = std::generic_category().message(reason) + "; " + likely_cause(reason);
  if (options.mode == IoMode::kUring) {
    return fail(Code::kNotSupported, fmt::format("start: io_uring: {}; or use io: posix", message));
  }
  logger.warning(fmt::format("event=io_mode mode=posix reason=\"io_uring: {}\"", message));
  return make_posix_loop(options, logger);
}

}  // namespace tlog::io
