// File: nbdkit-plugin/logger.h
// The engine's lines in nbdkit's log: errors and warnings always (stderr, or syslog once nbdkit is
// in the background), information with `nbdkit -v`, details with `-v -D tlogdisk.engine=1`. Never
// stdout, which is the client's in nbdkit's `-s` mode. Threading: any thread, also the engine's
// own.
#pragma once

#include "tlog/base/log.h"

namespace tlog::plugin {

class NbdkitLogger final : public Logger {
 public:
  void write(LogLevel level, std::string_view line) override;
};

}  // namespace tlog::plugin
