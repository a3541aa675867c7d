#include "server/serve/core.h"

#include <fmt/format.h>

namespace tlog::server {

void Core::note(LogLevel level, std::string_view line) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::uint64_t now = parts.clock->monotonic_ns();
  if (noting_since_ns_ == 0 || now - noting_since_ns_ >= kSecond) {
    if (not_noted_ > 0)
      parts.logger->warning(fmt::format("event=lines_left_out count={}", not_noted_));
    noting_since_ns_ = now;
    noted_ = 0;
    not_noted_ = 0;
  }
  if (++noted_ > kNotesPerSecond) {
    ++not_noted_;
    return;
  }
  parts.logger->write(level, line);
}

}  // namespace tlog::server
