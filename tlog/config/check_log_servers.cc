// What the keys about tlogservers mean together: a log is kept by a cluster, or by them.
#include <fmt/format.h>

#include <algorithm>

#include "tlog/config/check.h"

namespace tlog::config {
namespace {

constexpr std::initializer_list<const char*> kOnlyWithServers = {
    "distribution", "stripes", "writeConcern", "received", "tls", "insecure"};

void check_number(unsigned number, std::size_t servers, bool striped, const char* key,
                  const std::string& trail, Problems& problems) {
  if (number <= servers) return;
  const std::string own = trail_of(trail, key);
  problems.add(first_known(problems, {own, trail_of("tlog", key), trail}),
               fmt::format("too large: {}, expected at most the number of servers{}, {}", number,
                           striped ? " of each stripe" : "", servers));
}

void check_addresses(const Tlog& tlog, const std::string& own, Problems& problems) {
  for (std::size_t i = 0; i < tlog.servers.size(); ++i) {
    const auto first = std::find(tlog.servers.begin(), tlog.servers.end(), tlog.servers[i]);
    const auto at = static_cast<std::size_t>(first - tlog.servers.begin());
    if (at == i || tlog.servers[i].empty()) continue;
    problems.add(trail_of(own, std::to_string(i)),
                 fmt::format("the same as servers.{}, expected another server", at));
  }
}

void check_secrecy(const Tlog& tlog, const std::string& own, const std::string& trail,
                   Problems& problems) {
  const auto in_clear = [](const std::string& address) {
    return !address.empty() && !address.starts_with("unix:");
  };
  const auto open = std::find_if(tlog.servers.begin(), tlog.servers.end(), in_clear);
  if (open != tlog.servers.end() && !tlog.tls.on && !tlog.insecure) {
    problems.add(own, fmt::format("the key would be handed to {} where others can read it, "
                                  "expected tls too, or insecure: true",
                                  *open));
  }
  const std::string tls = trail_of(trail, "tls");
  if (!tlog.tls.psk_file.empty() &&
      !(tlog.tls.certificate_file.empty() && tlog.tls.ca_file.empty())) {
    problems.add(first_known(problems, {trail_of(tls, "pskFile"), "tlog/tls/pskFile", own}),
                 "a pre-shared key besides certificates, expected one of them");
  }
  if (tlog.tls.certificate_file.empty() != tlog.tls.key_file.empty()) {
    problems.add(first_known(problems, {trail_of(tls, "certificateFile"), trail_of(tls, "keyFile"),
                                        "tlog/tls/certificateFile", "tlog/tls/keyFile", own}),
                 "half of a pair, expected certificateFile and keyFile");
  }
}

void check_vdisk(const Vdisk& vdisk, Problems& problems) {
  const std::string vdisk_trail = trail_of("vdisks", vdisk.name);
  const std::string trail = trail_of(vdisk_trail, "tlog");
  const Tlog& tlog = vdisk.tlog;
  const std::string own =
      first_known(problems, {trail_of(trail, "servers"), "tlog/servers", trail});
  const unsigned stripes = tlog.stripe_count();
  const std::size_t each = std::max<std::size_t>(tlog.servers.size() / stripes, 1);
  check_number(tlog.write_concern, each, stripes > 1, "writeConcern", trail, problems);
  check_number(tlog.received, each, stripes > 1, "received", trail, problems);
  if (tlog.received != 0 && tlog.durability == Durability::kJournal) {
    problems.add(first_known(problems, {trail_of(trail, "received"), "tlog/received", trail}),
                 "no FLUSH waits for servers, expected durability: cluster too");
  }
  check_addresses(tlog, own, problems);
  check_secrecy(tlog, own, trail, problems);
  if (!vdisk.storage_cluster.empty()) {
    problems.add(vdisk_trail + "/storage/cluster",
                 "what its servers lose is filled from the log, which is read from a cluster only, "
                 "expected storage: {file: PATH} with tlog.servers");
  }
}

// What does nothing would be taken for a promise.
void check_without_servers(const std::string& trail, bool has_secondaries, Problems& problems) {
  for (const char* key : kOnlyWithServers) {
    if (has_secondaries && std::string_view(key) == "tls") continue;  // it is sent to them by that
    const std::string own = trail_of(trail, key);
    if (!problems.knows(own)) continue;
    problems.add(own, "does nothing without servers, expected servers too");
  }
}

}  // namespace

void take_log_servers(Config& config, Problems& problems) {
  config.tlog.tls.on = problems.knows("tlog/tls");
  for (Vdisk& vdisk : config.vdisks) {
    const std::string trail = trail_of("vdisks", vdisk.name) + "/tlog";
    Tlog& tlog = vdisk.tlog;
    tlog.tls.on = config.tlog.tls.on || problems.knows(trail_of(trail, "tls"));
    // The vdisk's own key counts, against the other one of the defaults.
    const bool own_cluster = problems.knows(trail_of(trail, "cluster"));
    const bool own_servers = problems.knows(trail_of(trail, "servers"));
    if (own_cluster && !own_servers) tlog.servers.clear();
    if (own_servers && !own_cluster) tlog.cluster.clear();
    if (own_cluster && !problems.knows(trail_of(trail, "stripeClusters")))
      tlog.stripe_clusters.clear();
    // The log is not there; but who asks for the cluster of what is read only has one.
    if (tlog.servers.empty() && tlog.cluster.empty() && !tlog.stripe_clusters.empty())
      tlog.cluster = tlog.stripe_clusters.front();
    if (tlog.servers.empty() || tlog.cluster.empty()) continue;
    problems.add(
        first_known(problems, {trail_of(trail, "servers"), "tlog/servers", trail}),
        fmt::format("cluster '{}' keeps the log already, expected cluster or servers, not both",
                    tlog.cluster));
  }
}

void check_log_servers(const Config& config, Problems& problems) {
  const bool has_secondaries = std::any_of(config.logs.begin(), config.logs.end(),
                                           [](const Log& log) { return !log.secondaries.empty(); });
  if (config.tlog.servers.empty()) check_without_servers("tlog", has_secondaries, problems);
  for (const Vdisk& vdisk : config.vdisks) {
    if (vdisk.tlog.servers.empty()) {
      const std::string trail = trail_of("vdisks", vdisk.name) + "/tlog";
      check_without_servers(trail, false, problems);
    } else {
      check_vdisk(vdisk, problems);
    }
  }
  check_stripes(config, problems);
}

}  // namespace tlog::config
