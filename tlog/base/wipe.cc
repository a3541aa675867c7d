#include "tlog/base/wipe.h"

#include <cstring>

namespace tlog {

void wipe(ByteSpan bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

}  // namespace tlog
