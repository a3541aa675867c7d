// File: nbdkit-plugin/logger.h
// The engine's lines in nbdkit's log: those at least as important as the configuration's logLevel
// always (stderr, or syslog once nbdkit is in the background), the others with `nbdkit -v`, details
// with `-v -D tlogdisk.engine=1`. Never stdout, which is the client's in nbdkit's `-s` mode.
// Threading: any thread, also the engine's own.
#pragma once

#include <atomic>

#include "tlog/base/log.h"

namespace tlog::plugin {

class NbdkitLogger final : public Logger {
 public:
  void write(LogLevel level, std::string_view line) override;
  void set_level(LogLevel least) { least_ = least; }

 private:
  std::atomic<LogLevel> least_{LogLevel::kWarning};
};

}  // namespace tlog::plugin
