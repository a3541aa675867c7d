#include "tlog/base/log.h"

#include <cstdio>
#include <string>

namespace tlog {
namespace {

class NullLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view) override {}
};

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "?";
}

}  // namespace

Logger& null_logger() {
  static constinit NullLogger logger;
  return logger;
}

void StderrLogger::write(LogLevel level, std::string_view line) {
  if (level < least_) return;
  std::string text = std::string(level_name(level)) + ": " + std::string(line) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);  // one call: lines of threads do not mix
}

}  // namespace tlog
