// What the keys of the coordination sections mean together.
#include <fmt/format.h>

#include "tlog/config/check.h"
#include "tlog/config/names.h"

namespace tlog::config {
namespace {

// A prefix or host name that stands in keys and messages, and a section that does nothing without
// its first key.
void check_section(const Coordination& coordination, const std::string& trail, Problems& problems) {
  const std::string etcd = trail_of(trail, "etcd");
  if (coordination.etcd.empty() && problems.knows(trail) && !problems.failed(etcd)) {
    problems.add(etcd,
                 "missing, expected a list such as [\"http://10.0.0.1:2379\"]: there is no "
                 "coordination without it");
  }
  const std::string& prefix = coordination.prefix;
  const std::string prefix_trail = trail_of(trail, "prefix");
  if (prefix.empty() || prefix.front() == '/' || prefix.back() == '/' ||
      prefix.find(' ') != std::string::npos) {
    problems.add(prefix_trail, fmt::format("{} cannot begin a key, expected words with '/' between "
                                           "them only",
                                           in_quotes(prefix)));
  }
  if (coordination.lease_ttl_ns % 1'000'000'000 != 0) {
    problems.add(trail_of(trail, "leaseTtl"),
                 fmt::format("{} is not a number of whole seconds, expected one such as 10s",
                             format_duration_ns(coordination.lease_ttl_ns)));
  }
  if (!coordination.password_file.empty() && coordination.user.empty()) {
    problems.add(trail_of(trail, "passwordFile"), "a password without a user, expected user too");
  }
}

}  // namespace

void check_coordinations(const Config& config, Problems& problems) {
  check_section(config.coordination, "coordination", problems);
  for (const Vdisk& vdisk : config.vdisks) {
    const std::string trail = "vdisks/" + vdisk.name + "/coordination";
    if (problems.knows(trail)) check_section(vdisk.coordination, trail, problems);
  }
}

}  // namespace tlog::config
