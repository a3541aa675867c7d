#include "nbdkit-plugin/logger.h"

#include <nbdkit-plugin.h>

// nbdkit looks this name up and sets it for -D tlogdisk.engine=N.
extern "C" {
NBDKIT_DLL_PUBLIC int tlogdisk_debug_engine = 0;
}

namespace tlog::plugin {

void NbdkitLogger::write(LogLevel level, std::string_view line) {
  const int length = static_cast<int>(line.size());
  if (level < least_) {
    const bool is_detail = level == LogLevel::kDebug && tlogdisk_debug_engine == 0;
    if (!is_detail) nbdkit_debug("%.*s", length, line.data());
    return;
  }
  // nbdkit has nothing between debug and error, and what only -v shows is not always shown.
  switch (level) {
    case LogLevel::kDebug:
      return nbdkit_error("debug: %.*s", length, line.data());
    case LogLevel::kInfo:
      return nbdkit_error("info: %.*s", length, line.data());
    case LogLevel::kWarning:
      return nbdkit_error("warning: %.*s", length, line.data());
    case LogLevel::kError:
      return nbdkit_error("%.*s", length, line.data());
  }
}

}  // namespace tlog::plugin
