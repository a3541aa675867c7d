// What the keys of logs without a block device mean together.
#include <fmt/format.h>

#include <algorithm>

#include "tlog/config/check.h"
#include "tlog/config/names.h"
#include "tlog/config/properties.h"

namespace tlog::config {
namespace {

void check_nodes(const Log& log, const std::string& trail, Problems& problems) {
  if (!log.master.empty() && !log.secondaries.empty()) {
    problems.add(trail_of(trail, "secondaries"),
                 "a secondary has none, expected them at the master alone, or no `master` here");
  }
  for (std::size_t i = 0; i < log.secondaries.size(); ++i) {
    const auto first =
        std::find(log.secondaries.begin(), log.secondaries.end(), log.secondaries[i]);
    if (static_cast<std::size_t>(first - log.secondaries.begin()) == i || first->empty()) continue;
    problems.add(trail_of(trail_of(trail, "secondaries"), std::to_string(i)),
                 "named twice, expected each once: each counts once only");
  }
  const std::size_t nodes = log.secondaries.size() + 1;
  if (log.quorum > nodes) {
    problems.add(trail_of(trail, "quorum"),
                 fmt::format("{} nodes are wanted, and there are {}, expected at most that",
                             log.quorum, nodes));
  }
}

void check_cluster_of(const Config& config, const Log& log, const std::string& trail,
                      Problems& problems) {
  if (log.cluster.empty()) return;
  const Cluster* cluster = config.find_cluster(log.cluster);
  if (cluster == nullptr) {
    problems.add(trail_of(trail, "cluster"), no_such_cluster(config, log.cluster));
    return;
  }
  const unsigned shards = config.tlog.data_shards + config.tlog.parity_shards;
  if (cluster->stores() >= shards) return;
  problems.add(trail_of(trail, "cluster"),
               fmt::format("tlog.dataShards + tlog.parityShards = {}, and cluster '{}' has {} "
                           "stores, expected at least as many stores",
                           shards, cluster->name, cluster->stores()));
}

}  // namespace

void check_logs(Config& config, Problems& problems) {
  for (Log& log : config.logs) {
    const std::string trail = trail_of("logs", log.name);
    if (log.cluster.empty()) log.cluster = config.tlog.cluster;
    check_nodes(log, trail, problems);
    check_cluster_of(config, log, trail, problems);
    // Both are served under their names, and kept under them.
    if (config.find_vdisk(log.name) != nullptr)
      problems.add(trail, "a vdisk has this name, expected another one");
  }
}

}  // namespace tlog::config
