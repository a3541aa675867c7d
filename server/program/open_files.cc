#include "server/program/open_files.h"

#include <sys/resource.h>

namespace tlog::program {

void allow_many_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // Refused, the limit stays as it was, and whoever meets it is told so.
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace tlog::program
