// What the keys about block servers, a second cluster of them, and promised lags mean together.
#include <fmt/format.h>

#include "tlog/config/check.h"
#include "tlog/config/names.h"

namespace tlog::config {
namespace {

// What is measured and acted upon at intervals of a hundredth of a second cannot be kept closer.
constexpr std::uint64_t kLeastNs = 100'000'000;

// Blocks are put and got one by one, which only servers do.
void check_block_cluster(const Config& config, const std::string& name, const std::string& trail,
                         Problems& problems) {
  if (name.empty()) return;
  const Cluster* cluster = config.find_cluster(name);
  if (cluster == nullptr) {
    problems.add(trail, no_such_cluster(config, name));
  } else if (!cluster->directories.empty()) {
    problems.add(trail, fmt::format("cluster '{}' has directories, expected a cluster of servers",
                                    cluster->name));
  }
}

// 0 is never, or no limit.
void check_least(std::uint64_t duration_ns, const std::string& trail, Problems& problems) {
  if (duration_ns == 0 || duration_ns >= kLeastNs) return;
  problems.add(trail, fmt::format("too short: {}, expected 0s or at least {}",
                                  format_duration_ns(duration_ns), format_duration_ns(kLeastNs)));
}

void check_slave(const Config& config, const Vdisk& vdisk, Problems& problems) {
  const std::string trail = trail_of(trail_of("vdisks", vdisk.name), "slaveStorage");
  const std::string storage = trail_of(trail_of("vdisks", vdisk.name), "storage");
  if (!problems.knows(trail) || problems.failed(trail)) return;
  const std::string cluster = trail_of(trail, "cluster");
  const std::string& name = vdisk.slave.cluster;
  if (name.empty() && !problems.failed(cluster)) {
    problems.add(cluster,
                 "missing, expected the name of a cluster of servers other than the one of "
                 "storage");
  }
  if (!vdisk.storage_file.empty()) {
    problems.add(trail,
                 "blocks in a file cannot go over to another cluster, expected storage: "
                 "{cluster: NAME}");
  } else if (!name.empty() && name == vdisk.storage_cluster) {
    problems.add(cluster, fmt::format("cluster '{}' has the vdisk's blocks already, expected "
                                      "another one",
                                      name));
  } else {
    check_block_cluster(config, name, cluster, problems);
  }
  check_least(vdisk.slave.failover_after_ns, trail_of(trail, "failoverAfter"), problems);
}

// An onLag that says nothing would be taken for a promise.
void check_own_lag(const LagLimit& lag, const std::string& trail, Problems& problems) {
  const std::string on_lag = trail_of(trail, "onLag");
  const std::string max_lag = trail_of(trail, "maxLag");
  if (lag.max_ns > 0 || lag.on_lag == OnLag::kThrottle) return;
  if (!problems.knows(on_lag) || problems.failed(max_lag)) return;
  problems.add(on_lag, "nothing is promised without maxLag, expected maxLag too");
}

}  // namespace

void check_block_clusters(const Config& config, Problems& problems) {
  for (const Vdisk& vdisk : config.vdisks) {
    const std::string trail = trail_of("vdisks", vdisk.name);
    check_block_cluster(config, vdisk.storage_cluster, trail + "/storage/cluster", problems);
    check_slave(config, vdisk, problems);
    // The file's default is for those that have a standby; that of tlogservers is theirs.
    if (!vdisk.tlog.servers.empty()) continue;
    const std::string sync = trail + "/tlog/slaveSync";
    if (vdisk.tlog.slave_sync && problems.knows(sync) && !problems.knows(trail + "/slaveStorage")) {
      problems.add(sync,
                   "the vdisk has nothing that could follow, expected slaveStorage: {cluster: "
                   "NAME} too");
    }
  }
}

void check_lags(const Config& config, Problems& problems) {
  for (const Vdisk& vdisk : config.vdisks) {
    const std::string trail = trail_of("vdisks", vdisk.name);
    const std::string stored = trail_of(trail, "tlog");
    const std::string synced = trail_of(trail, "slaveStorage");
    check_least(vdisk.tlog.lag.max_ns,
                first_known(problems, {stored + "/maxLag", "tlog/maxLag", stored}), problems);
    check_least(vdisk.slave.lag.max_ns, synced + "/maxLag", problems);
    check_own_lag(vdisk.tlog.lag, stored, problems);
    check_own_lag(vdisk.slave.lag, synced, problems);
  }
}

}  // namespace tlog::config
