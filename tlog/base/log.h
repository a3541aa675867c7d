// File: tlog/base/log.h
// Where the engine says what happens. One line an event, logfmt: `event=commit vdisk=vm1
// sequence=7`. Never a key, never a user's data. Threading: any thread.
#pragma once

#include <string_view>

namespace tlog {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

class Logger {
 public:
  virtual ~Logger() = default;
  virtual void write(LogLevel level, std::string_view line) = 0;

  void debug(std::string_view line) { write(LogLevel::kDebug, line); }
  void info(std::string_view line) { write(LogLevel::kInfo, line); }
  void warning(std::string_view line) { write(LogLevel::kWarning, line); }
  void error(std::string_view line) { write(LogLevel::kError, line); }
};

// Writes nothing. Stateless; the reference is valid for ever.
Logger& null_logger();

// `level: line` on standard error, for tools and tests; below `least` nothing is written.
class StderrLogger final : public Logger {
 public:
  explicit StderrLogger(LogLevel least = LogLevel::kInfo) : least_(least) {}
  void write(LogLevel level, std::string_view line) override;

 private:
  const LogLevel least_;
};

}  // namespace tlog
