// What the keys about striped logs mean together: the servers' parts of a log, and the clusters
// that it is read from without them.
#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/stripe_limits.h"
#include "tlog/config/check.h"
#include "tlog/config/names.h"

namespace tlog::config {
namespace {

// Where a key of a vdisk's log stands: its own, or the one of the defaults.
std::string place_of(const Vdisk& vdisk, const char* key, const Problems& problems) {
  const std::string trail = trail_of(trail_of("vdisks", vdisk.name), "tlog");
  return first_known(problems, {trail_of(trail, key), trail_of("tlog", key), trail});
}

void check_division(const Vdisk& vdisk, Problems& problems) {
  const Tlog& tlog = vdisk.tlog;
  const std::size_t servers = tlog.servers.size();
  if (tlog.stripes == 0) {
    if (servers < 2 || servers > kStripesMax) {
      problems.add(place_of(vdisk, "distribution", problems),
                   fmt::format("stripe with {} server{}, expected 2 to {}, or stripes: N too",
                               servers, servers == 1 ? "" : "s", kStripesMax));
    }
  } else if (servers % tlog.stripes != 0) {
    problems.add(place_of(vdisk, "stripes", problems),
                 fmt::format("{} servers cannot be divided evenly among {}, expected as many for "
                             "each stripe",
                             servers, tlog.stripes));
  }
}

// A stripe's log has a name at its server, like any vdisk.
void check_stripe_names(const Config& config, const Vdisk& vdisk, Problems& problems) {
  if (vdisk.name.size() + kStripeSuffixMax > kNameMax) {
    problems.add(trail_of("vdisks", vdisk.name),
                 fmt::format("its stripes would have longer names than {}, expected at most {} "
                             "letters for a vdisk with distribution: stripe",
                             kNameMax, kNameMax - kStripeSuffixMax));
  }
  for (unsigned i = 0; i < vdisk.tlog.stripe_count(); ++i) {
    const std::string name = fmt::format("{}.stripe{}", vdisk.name, i);
    const Vdisk* other = config.find_vdisk(name);
    if (other == nullptr) continue;
    problems.add(
        trail_of("vdisks", name),
        fmt::format("the name of a stripe of vdisk '{}', expected another one", vdisk.name));
  }
}

void check_striped(const Config& config, const Vdisk& vdisk, Problems& problems) {
  check_division(vdisk, problems);
  check_stripe_names(config, vdisk, problems);
  if (vdisk.tlog.slave_sync) {
    problems.add(place_of(vdisk, "slaveSync", problems),
                 "servers that have a part of the log each keep no standby, expected false with "
                 "distribution: stripe");
  }
}

void check_stripe_clusters(const Config& config, const Vdisk& vdisk, Problems& problems) {
  const Tlog& tlog = vdisk.tlog;
  const std::string own = place_of(vdisk, "stripeClusters", problems);
  for (std::size_t i = 0; i < tlog.stripe_clusters.size(); ++i) {
    const std::string& name = tlog.stripe_clusters[i];
    if (name.empty() || config.find_cluster(name) != nullptr) continue;
    problems.add(trail_of(own, std::to_string(i)), no_such_cluster(config, name));
  }
  const std::size_t count = tlog.stripe_clusters.size();
  if (count < 2 || count > kStripesMax) {
    problems.add(own, fmt::format("{} cluster{}, expected one for each of 2 to {} stripes", count,
                                  count == 1 ? "" : "s", kStripesMax));
  } else if (!tlog.servers.empty() && count != tlog.stripe_count()) {
    problems.add(own, fmt::format("{} clusters, expected one for each stripe that the servers "
                                  "keep, {}",
                                  count, tlog.stripe_count()));
  }
  if (tlog.servers.empty() && tlog.cluster != tlog.stripe_clusters.front()) {
    problems.add(own, fmt::format("cluster '{}' keeps the log, expected cluster or stripeClusters, "
                                  "not both",
                                  tlog.cluster));
  }
}

}  // namespace

unsigned Tlog::stripe_count() const {
  if (servers.empty() || distribution != Distribution::kStripe) return 1;
  if (stripes != 0) return stripes;
  return static_cast<unsigned>(servers.size());
}

void check_stripes(const Config& config, Problems& problems) {
  for (const Vdisk& vdisk : config.vdisks) {
    const Tlog& tlog = vdisk.tlog;
    if (tlog.distribution == Distribution::kStripe && !tlog.servers.empty()) {
      check_striped(config, vdisk, problems);
    } else if (tlog.stripes != 0 && !tlog.servers.empty()) {
      problems.add(place_of(vdisk, "stripes", problems),
                   "does nothing with distribution: mirror, expected distribution: stripe too");
    }
    if (!tlog.stripe_clusters.empty()) check_stripe_clusters(config, vdisk, problems);
  }
}

}  // namespace tlog::config
