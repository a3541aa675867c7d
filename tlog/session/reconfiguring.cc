#include "tlog/session/reconfiguring.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tlog/session/vdisk_storage.h"
#include "tlog/store/resp_probe.h"

namespace tlog::session {
namespace {

// A server that takes longer is treated as one that is away.
constexpr std::uint64_t kProbeNs = 2'000'000'000;

std::string trail_of_server(const std::string& cluster, std::size_t place) {
  return fmt::format("clusters/{}/servers/{}/address", cluster, place);
}

// The places whose servers are other ones in `wanted`, as far as the file tells.
std::vector<std::size_t> moved(const config::Config& running, const config::Config& wanted,
                               const std::string& cluster) {
  const auto& before = running.find_cluster(cluster)->servers;
  const auto& after = wanted.find_cluster(cluster)->servers;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    if (before[i].address != after[i].address || before[i].db != after[i].db ||
        before[i].password_file != after[i].password_file) {
      places.push_back(i);
    }
  }
  return places;
}

store::RespStoreOptions hasty(store::RespStoreOptions options) {
  options.connect_timeout_ns = std::min(options.connect_timeout_ns, kProbeNs);
  options.request_timeout_ns = std::min(options.request_timeout_ns, kProbeNs);
  return options;
}

// Why the server that said `uuid` must not be in `place`; `known` are the uuids of all places, ""
// where none is known.
std::optional<std::string> judge(const std::string& uuid, std::size_t place,
                                 const std::vector<std::string>& known,
                                 const config::Cluster& wanted) {
  if (uuid.empty() || known[place].empty() || uuid == known[place]) return std::nullopt;
  const std::string& address = wanted.servers[place].address;
  const auto other = std::find(known.begin(), known.end(), uuid);
  if (other == known.end()) {
    return fmt::format(
        "at {} is another server ({}) than the one of this place ({}), expected "
        "that one, or an empty one to replace it",
        address, uuid, known[place]);
  }
  const auto belongs = static_cast<std::size_t>(other - known.begin());
  return fmt::format(
      "at {} is the server of clusters.{}.servers.{} ({}), expected the one of this "
      "place; put {} there: the order of a cluster's servers is part of the log",
      address, wanted.name, belongs, uuid, address);
}

std::vector<config::Refusal> check_log_servers(const ServedVdisk& vdisk,
                                               const std::vector<std::size_t>& places,
                                               const config::Cluster& wanted,
                                               const ServedSettings& settings, io::Loop& loop) {
  std::vector<std::string> known;
  for (const store::StoreStatus& store : vdisk.status().stores) known.push_back(store.server);
  std::vector<store::Probe> probes;
  for (std::size_t place : places) {
    probes.push_back({hasty(settings.log_servers[place]), store::who_it_is()});
  }
  const auto answers = store::probe_servers(probes, loop);
  std::vector<config::Refusal> refusals;
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::optional<std::string> reason;
    if (answers[i]) {
      reason = judge(*answers[i], places[i], known, wanted);
    } else if (answers[i].error().code() == Code::kInvalidArgument) {
      reason = answers[i].error().message();
    }
    if (reason) refusals.push_back({trail_of_server(wanted.name, places[i]), *reason});
  }
  return refusals;
}

std::vector<config::Refusal> check_block_servers(ServedVdisk& vdisk,
                                                 const std::vector<std::size_t>& places,
                                                 const std::string& cluster,
                                                 const ServedSettings& settings) {
  std::vector<store::RespStoreOptions> servers;
  for (const auto& server : settings.block_servers) servers.push_back(hasty(server));
  const std::vector<Status> verdicts = vdisk.check_block_servers(servers);
  std::vector<config::Refusal> refusals;
  for (std::size_t place : places) {
    if (verdicts[place]) continue;
    refusals.push_back({trail_of_server(cluster, place),
                        fmt::format("at {}: {}", settings.block_servers[place].address,
                                    verdicts[place].error().message())});
  }
  return refusals;
}

}  // namespace

Result<ServedSettings> settings_of(const config::Config& config, const config::Vdisk& vdisk,
                                   const std::string& active, io::FileSystem& files) {
  ServedSettings settings;
  settings.tlog = vdisk.tlog;
  settings.slave = vdisk.slave;
  if (vdisk.tlog.servers.empty()) {
    TLOG_ASSIGN(settings.log_servers,
                server_options(*config.find_cluster(vdisk.tlog.cluster), files));
  }
  if (vdisk.storage_cluster.empty()) return settings;
  TLOG_ASSIGN(settings.standby, standby_settings(config, vdisk, files));
  const bool is_slave = active == settings.standby.slave;
  settings.block_servers =
      is_slave ? settings.standby.slave_servers : settings.standby.primary_servers;
  return settings;
}

std::string active_cluster(const ServedVdisk& vdisk, const config::Config& running) {
  const auto standby = vdisk.status().standby;
  if (standby && !standby->active.empty()) return standby->active;
  return running.find_vdisk(vdisk.name())->storage_cluster;
}

std::vector<config::Refusal> check_active(const std::string& active, const config::Vdisk& running,
                                          const config::Vdisk& wanted) {
  if (active == wanted.storage_cluster) return {};
  const std::string trail = fmt::format("vdisks/{}/", wanted.name);
  if (active != wanted.slave.cluster) {
    return {{trail + "slaveStorage/cluster",
             fmt::format("cluster '{}' has the vdisk's blocks since its last failover, expected it "
                         "to stay, as that of storage or of slaveStorage",
                         active)}};
  }
  if (running.storage_cluster == wanted.storage_cluster) return {};
  return {{trail + "storage/cluster",
           fmt::format("cluster '{}' has the vdisk's blocks, expected the two clusters to be "
                       "exchanged after it has gone over to '{}'; begin that with `tlogctl "
                       "failover {}`",
                       active, wanted.storage_cluster, wanted.name)}};
}

std::vector<config::Refusal> check_servers(ServedVdisk& vdisk, const config::Config& running,
                                           const config::Config& wanted, const std::string& active,
                                           const ServedSettings& settings, io::Loop& loop) {
  const config::Vdisk& after = *wanted.find_vdisk(vdisk.name());
  std::vector<config::Refusal> refusals =
      check_active(active, *running.find_vdisk(vdisk.name()), after);
  if (!refusals.empty()) return refusals;
  if (!settings.log_servers.empty()) {
    const auto log_places = moved(running, wanted, after.tlog.cluster);
    if (!log_places.empty()) {
      refusals = check_log_servers(vdisk, log_places, *wanted.find_cluster(after.tlog.cluster),
                                   settings, loop);
    }
  }
  if (active.empty()) return refusals;
  const auto block_places = moved(running, wanted, active);
  if (block_places.empty()) return refusals;
  for (auto& refusal : check_block_servers(vdisk, block_places, active, settings)) {
    refusals.push_back(std::move(refusal));
  }
  return refusals;
}

}  // namespace tlog::session
