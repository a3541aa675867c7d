#include "nbdkit-plugin/sentinel.h"

#include <nbdkit-plugin.h>
#include <pthread.h>

#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

namespace tlog::plugin {
namespace {

constexpr unsigned kNapSeconds = 3600;

// True when nbdkit ends, false when that cannot be noticed (cleanup has to do then).
bool wait_for_shutdown() {
  for (;;) {
    if (nbdkit_nanosleep(kNapSeconds, 0) == 0) continue;
    if (errno == EINTR) continue;
    return errno == ESHUTDOWN;
  }
}

}  // namespace

Status ShutdownSentinel::start(std::function<void()> on_shutdown) {
  try {
    thread_ = std::thread([on_shutdown = std::move(on_shutdown)] {
      pthread_setname_np(pthread_self(), "tlog-sentinel");
      if (!wait_for_shutdown()) return;
      try {
        on_shutdown();
      } catch (const std::exception& exception) {
        nbdkit_error("shutdown: %s", exception.what());
      }
    });
  } catch (const std::system_error& error) {
    return fail(os_error(error.code().value(), "start: shutdown sentinel"));
  }
  return {};
}

void ShutdownSentinel::join() {
  if (!thread_.joinable()) return;
  nbdkit_shutdown();
  thread_.join();
}

}  // namespace tlog::plugin
