#include "tlog/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace tlog {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "tlogdisk: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace tlog
