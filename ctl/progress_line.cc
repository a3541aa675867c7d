#include "ctl/progress_line.h"

#include <unistd.h>

#include <cstdio>

#include "ctl/control_socket.h"

namespace tlog::ctl {

void pause_before_look() {
  (void)control::wait_ready(-1, 0, control::monotonic_ms() + kLookEveryMs);
}

void show_progress_line(const std::string& text) {
  if (isatty(STDERR_FILENO) != 0) std::fputs(("\r\033[K" + text).c_str(), stderr);
}

void end_progress_line() {
  show_progress_line("");
}

}  // namespace tlog::ctl
