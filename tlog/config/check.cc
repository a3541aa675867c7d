#include "tlog/config/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/limits.h"
#include "tlog/config/names.h"
#include "tlog/config/properties.h"

namespace tlog::config {
namespace {

// A path that is in use, and by whom.
struct Use {
  std::string path;
  std::string trail;
};

bool is_at_or_below(std::string_view path, std::string_view directory) {
  if (!path.starts_with(directory)) return false;
  return path.size() == directory.size() || directory == "/" || path[directory.size()] == '/';
}

void check_journal(const Config& config, Problems& problems) {
  if (config.journal.arena_size <= config.journal.size) return;
  problems.add(
      "journal/arenaSize",
      fmt::format("the arena of {} is larger than the journal, expected at most {}",
                  format_size(config.journal.arena_size), format_size(config.journal.size)));
}

// Two stores in one place are not two failure domains, and would overwrite each other's files.
void check_directories(const Config& config, Problems& problems) {
  std::vector<Use> uses;
  if (!config.journal.directory.empty())
    uses.push_back({config.journal.directory, "journal/directory"});
  for (const Cluster& cluster : config.clusters) {
    std::string trail = trail_of(trail_of("clusters", cluster.name), "directories");
    for (std::size_t i = 0; i < cluster.directories.size(); ++i) {
      const std::string& path = cluster.directories[i];
      if (path.empty()) continue;
      Use use{path, trail_of(trail, std::to_string(i))};
      for (const Use& other : uses) {
        bool is_same = other.path == path;
        if (!is_same && !is_at_or_below(path, other.path) && !is_at_or_below(other.path, path))
          continue;
        problems.add(use.trail,
                     fmt::format("{} is {} {}, expected a directory of its own", in_quotes(path),
                                 is_same ? "the same as" : "nested with", key_of(other.trail)));
        break;
      }
      uses.push_back(std::move(use));
    }
  }
}

void check_servers(const Config& config, Problems& problems) {
  std::vector<Use> uses;
  for (const Cluster& cluster : config.clusters) {
    std::string trail = trail_of(trail_of("clusters", cluster.name), "servers");
    for (std::size_t i = 0; i < cluster.servers.size(); ++i) {
      const Server& server = cluster.servers[i];
      if (server.address.empty()) continue;
      // No database and database 0 are the same one.
      Use use{server.address + "@" + (server.db.empty() ? "0" : server.db),
              trail_of(trail, std::to_string(i))};
      auto other =
          std::find_if(uses.begin(), uses.end(), [&](const Use& u) { return u.path == use.path; });
      if (other != uses.end()) {
        problems.add(use.trail,
                     fmt::format("the same server and database as {}, expected another one",
                                 key_of(other->trail)));
      }
      uses.push_back(std::move(use));
    }
  }
}

// The cluster that is named in the section `trail`: "tlog" or "vdisks/NAME/tlog".
const Cluster* check_cluster(const Config& config, const Tlog& tlog, const std::string& trail,
                             Problems& problems) {
  std::vector<std::string_view> names = cluster_names(config);
  std::string own = trail_of(trail, "cluster");
  if (tlog.cluster.empty()) {
    // Otherwise it is there and wrong, and that has been said.
    if (!problems.failed(own) && !problems.failed("tlog/cluster")) {
      problems.add(own, fmt::format("missing, expected {}", alternatives(names)));
    }
    return nullptr;
  }
  const Cluster* cluster = config.find_cluster(tlog.cluster);
  if (cluster == nullptr) {
    problems.add(first_known(problems, {own, "tlog/cluster", trail}),
                 no_such_cluster(config, tlog.cluster));
  }
  return cluster;
}

void check_geometry(const Cluster& cluster, const Tlog& tlog, const std::string& trail,
                    Problems& problems) {
  unsigned shards = tlog.data_shards + tlog.parity_shards;
  if (cluster.stores() == 0 || shards <= cluster.stores()) return;
  std::string data = trail_of(trail, "dataShards");
  std::string parity = trail_of(trail, "parityShards");
  for (const std::string& key :
       {data, parity, std::string("tlog/dataShards"), std::string("tlog/parityShards")}) {
    if (problems.failed(key)) return;
  }
  std::string where =
      first_known(problems, {data, parity, trail_of(trail, "cluster"), "tlog/dataShards",
                             "tlog/parityShards", "tlog/cluster", trail});
  problems.add(
      where,
      fmt::format("{}+{} shards need {} stores and cluster '{}' has {}, expected dataShards + "
                  "parityShards of at most {}",
                  tlog.data_shards, tlog.parity_shards, shards, cluster.name, cluster.stores(),
                  cluster.stores()));
}

void check_write_quorum(const Tlog& tlog, const std::string& trail, Problems& problems) {
  const unsigned quorum = tlog.write_quorum;
  const unsigned shards = tlog.data_shards + tlog.parity_shards;
  if (quorum == 0 || (quorum >= tlog.data_shards && quorum <= shards)) return;
  std::string own = trail_of(trail, "writeQuorum");
  for (const char* key : {"writeQuorum", "dataShards", "parityShards"}) {
    if (problems.failed(trail_of(trail, key)) || problems.failed(trail_of("tlog", key))) return;
  }
  problems.add(first_known(problems, {own, trail_of(trail, "dataShards"),
                                      trail_of(trail, "parityShards"), "tlog/writeQuorum", trail}),
               fmt::format("a write quorum of {} is impossible with {}+{} shards, expected "
                           "writeQuorum from {} to {}",
                           quorum, tlog.data_shards, tlog.parity_shards, tlog.data_shards, shards));
}

// Only the vdisks' geometry counts: each may have its own, and then the file's defaults need not
// fit any cluster.
void check_tlogs(const Config& config, Problems& problems) {
  if (config.clusters.empty()) {
    if (config.vdisks.empty() && !config.logs.empty()) return;  // the server has stores of its own
    const bool all_have_servers =
        !config.vdisks.empty() &&
        std::all_of(config.vdisks.begin(), config.vdisks.end(),
                    [](const Vdisk& vdisk) { return !vdisk.tlog.servers.empty(); });
    const bool serves_logs_alone =
        config.vdisks.empty() && (!config.repos.empty() || !config.cas.directory.empty());
    if (!all_have_servers && !serves_logs_alone && !problems.knows("clusters") &&
        !problems.failed("tlog/servers")) {
      problems.add("clusters", fmt::format("missing, expected {}",
                                           with_sample(*root_section().find("clusters"))));
    }
    return;
  }
  if (!config.tlog.cluster.empty()) check_cluster(config, config.tlog, "tlog", problems);
  for (const Vdisk& vdisk : config.vdisks) {
    std::string trail = "vdisks/" + vdisk.name + "/tlog";
    if (!vdisk.tlog.servers.empty()) continue;
    const Cluster* cluster = check_cluster(config, vdisk.tlog, trail, problems);
    if (cluster != nullptr) check_geometry(*cluster, vdisk.tlog, trail, problems);
    check_write_quorum(vdisk.tlog, trail, problems);
  }
}

void check_storage(const Config& config, Problems& problems) {
  std::vector<Use> files = {{config.path, "the configuration itself"},
                            {config.key_file, "keyFile"}};
  std::vector<Use> directories = {{config.journal.directory, "journal.directory"}};
  for (const Cluster& cluster : config.clusters) {
    for (const std::string& path : cluster.directories)
      directories.push_back({path, "clusters/" + cluster.name});
  }
  directories.push_back({config.cas.directory, "cas/directory"});
  for (const Vdisk& vdisk : config.vdisks) {
    const std::string& path = vdisk.storage_file;
    if (path.empty()) continue;
    Use use{path, "vdisks/" + vdisk.name + "/storage/file"};
    for (const Use& other : files) {
      if (other.path != path) continue;
      problems.add(use.trail, fmt::format("{} is {} too, expected a file of its own",
                                          in_quotes(path), key_of(other.trail)));
      break;
    }
    for (const Use& other : directories) {
      if (other.path.empty() || !is_at_or_below(path, other.path)) continue;
      problems.add(use.trail,
                   fmt::format("{} is inside the directory of {}, expected a place of its own",
                               in_quotes(path), key_of(other.trail)));
      break;
    }
    files.push_back(std::move(use));
  }
}

void check_control_socket(const Config& config, Problems& problems) {
  if (config.control_socket.empty()) return;
  std::string longest = config.control_socket;
  for (const Vdisk& vdisk : config.vdisks) {
    std::string path = control_socket_path(config, vdisk.name);
    if (path.size() > longest.size()) longest = path;
  }
  if (longest.size() <= kSocketPathMax) return;
  problems.add(
      "controlSocket",
      fmt::format("{} has {} bytes, expected a path of at most {} bytes, which is all that a "
                  "Unix socket can have; set controlSocket to a shorter one",
                  longest, longest.size(), kSocketPathMax));
}

}  // namespace

std::string first_known(const Problems& problems, std::initializer_list<std::string> trails) {
  for (const std::string& trail : trails) {
    if (problems.knows(trail)) return trail;
  }
  return *(trails.end() - 1);
}

std::string no_such_cluster(const Config& config, std::string_view name) {
  const std::vector<std::string_view> names = cluster_names(config);
  const std::string_view near = nearest(name, names);
  return fmt::format("no such cluster: {}{}, expected {}", in_quotes(name),
                     near.empty() ? "" : fmt::format("; did you mean '{}'?", near),
                     names.empty() ? "one of clusters, which has none" : alternatives(names));
}

std::vector<std::string_view> cluster_names(const Config& config) {
  std::vector<std::string_view> names;
  for (const Cluster& cluster : config.clusters) names.push_back(cluster.name);
  return names;
}

void check_meaning(Config& config, Problems& problems) {
  take_log_servers(config, problems);
  if (config.clusters.size() == 1 && !problems.knows("tlog/cluster") &&
      config.tlog.servers.empty() && config.tlog.stripe_clusters.empty()) {
    config.tlog.cluster = config.clusters[0].name;
  }
  for (Vdisk& vdisk : config.vdisks) {
    if (!vdisk.tlog.servers.empty()) continue;
    bool has_own = problems.knows("vdisks/" + vdisk.name + "/tlog/cluster");
    if (vdisk.tlog.cluster.empty() && !has_own) vdisk.tlog.cluster = config.tlog.cluster;
  }
  if (!problems.knows("journal/arenaSize")) {
    config.journal.arena_size = std::min(config.journal.arena_size, config.journal.size);
  }
  check_repos(config, problems);
  check_logs(config, problems);
  check_cas(config, problems);
  check_journal(config, problems);
  check_directories(config, problems);
  check_servers(config, problems);
  check_tlogs(config, problems);
  check_storage(config, problems);
  check_block_clusters(config, problems);
  check_lags(config, problems);
  check_log_servers(config, problems);
  check_coordinations(config, problems);
  check_control_socket(config, problems);
}

const Vdisk* Config::find_vdisk(std::string_view name) const {
  auto found =
      std::find_if(vdisks.begin(), vdisks.end(), [&](const Vdisk& v) { return v.name == name; });
  return found == vdisks.end() ? nullptr : &*found;
}

const Log* Config::find_log(std::string_view name) const {
  auto found = std::find_if(logs.begin(), logs.end(), [&](const Log& l) { return l.name == name; });
  return found == logs.end() ? nullptr : &*found;
}

const Cluster* Config::find_cluster(std::string_view name) const {
  auto found = std::find_if(clusters.begin(), clusters.end(),
                            [&](const Cluster& c) { return c.name == name; });
  return found == clusters.end() ? nullptr : &*found;
}

std::string control_socket_path(const Config& config, std::string_view only_vdisk) {
  const std::string& path = config.control_socket;
  if (only_vdisk.empty()) return path;
  std::size_t name = path.rfind('/') + 1;  // npos + 1 == 0
  std::size_t dot = path.rfind('.');
  if (dot == std::string::npos || dot <= name) dot = path.size();
  return fmt::format("{}-{}{}", path.substr(0, dot), only_vdisk, path.substr(dot));
}

Result<std::string> read(io::FileSystem& files, const std::string& path) {
  TLOG_ASSIGN(auto file, files.open(path, {}));
  TLOG_ASSIGN(std::uint64_t size, file->size());
  if (size > kConfigFileMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("read: {}: {} bytes, expected a configuration file of at most {}", path,
                            size, format_size(kConfigFileMax)));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  TLOG_ASSIGN(std::size_t length, file->read(0, std::as_writable_bytes(std::span(text))));
  text.resize(length);
  return text;
}

Result<Config> parse(const std::string& text, const std::string& path) {
  Checked checked = check(text, path);
  if (checked.problems.empty()) return std::move(checked.config);
  return fail(Code::kInvalidArgument, format_problems(checked.problems, path));
}

Result<Config> load(io::FileSystem& files, const std::string& path) {
  TLOG_ASSIGN(std::string text, read(files, path));
  return parse(text, path);
}

}  // namespace tlog::config
