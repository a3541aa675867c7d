#include "nbdkit-plugin/logger.h"

#include <nbdkit-plugin.h>

// nbdkit looks this name up and sets it for -D tlogdisk.engine=N.
extern "C" {
NBDKIT_DLL_PUBLIC int tlogdisk_debug_engine = 0;
}

namespace tlog::plugin {

void NbdkitLogger::write(LogLevel level, std::string_view line) {
  const int length = static_cast<int>(line.size());
  switch (level) {
    case LogLevel::kDebug:
      if (tlogdisk_debug_engine != 0) nbdkit_debug("%.*s", length, line.data());
      return;
    case LogLevel::kInfo:
      nbdkit_debug("%.*s", length, line.data());
      return;
    // nbdkit has nothing between debug and error, and a warning that only -v shows warns nobody.
    case LogLevel::kWarning:
      nbdkit_error("warning: %.*s", length, line.data());
      return;
    case LogLevel::kError:
      nbdkit_error("%.*s", length, line.data());
      return;
  }
}

}  // namespace tlog::plugin
