#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ctl/commands.h"
#include "ctl/git_id.h"

namespace tlog::ctl {

std::string version_text() {
  return fmt::format(
      "tlogctl {} ({})\nlibsodium {}\nisa-l {}\nyaml-cpp {}\nliburing {}\nnlohmann-json "
      "{}.{}.{}\nfmt {}.{}.{}",
      TLOG_VERSION, TLOG_GIT_ID, TLOG_LIBSODIUM_VERSION, TLOG_LIBISAL_VERSION,
      TLOG_YAML_CPP_VERSION, TLOG_LIBURING_VERSION, NLOHMANN_JSON_VERSION_MAJOR,
      NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH, FMT_VERSION / 10000,
      FMT_VERSION / 100 % 100, FMT_VERSION % 100);
}

}  // namespace tlog::ctl
