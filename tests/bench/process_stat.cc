#include "tests/bench/process_stat.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include <fmt/core.h>

namespace tlog::bench {
namespace {

// "VmHWM:    1234 kB" of /proc/PID/status, in bytes.
std::uint64_t status_bytes(const std::string& status, const std::string& key) {
  const auto at = status.find("\n" + key + ":");
  if (at == std::string::npos) return 0;
  return std::strtoull(status.c_str() + at + key.size() + 2, nullptr, 10) * 1024;
}

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Result<ProcessStat> process_stat(pid_t pid) {
  const std::string stat = file_text(fmt::format("/proc/{}/stat", pid));
  // The second field is the name in parentheses and may itself hold blanks and parentheses.
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) {
    return fail(Code::kNotFound, fmt::format("read: /proc/{}/stat: no such process", pid));
  }
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  fields >> user_ticks >> system_ticks;

  const std::uint64_t tick_ns = 1'000'000'000ULL / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  const std::string status = file_text(fmt::format("/proc/{}/status", pid));
  return ProcessStat{.user_ns = user_ticks * tick_ns,
                     .system_ns = system_ticks * tick_ns,
                     .resident_bytes = status_bytes(status, "VmRSS"),
                     .resident_peak_bytes = status_bytes(status, "VmHWM")};
}

}  // namespace tlog::bench
