// Where the server stands in the configuration's text, and the text with the other one.
#include "ctl/replacement.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/config/edit.h"

namespace tlog::ctl {
namespace {

std::string name_of(const config::Server& server) {
  return server.address + (server.db.empty() ? "" : "@" + server.db);
}

std::vector<std::string> names_of(const config::Cluster& cluster) {
  std::vector<std::string> names;
  for (const config::Server& server : cluster.servers) names.push_back(name_of(server));
  return names;
}

std::vector<std::size_t> places_of(const config::Cluster& cluster, const std::string& address) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < cluster.servers.size(); ++i) {
    const config::Server& server = cluster.servers[i];
    if (server.address == address || name_of(server) == address) places.push_back(i);
  }
  return places;
}

bool is_same(const config::Server& a, const config::Server& b) {
  return a.address == b.address && a.db == b.db && a.password_file == b.password_file;
}

// An anchor, or a place that is not what it seems to be, would change something else.
bool changes_only(const Replacement& change) {
  if (change.before.clusters.size() != change.after.clusters.size()) return false;
  for (std::size_t i = 0; i < change.before.clusters.size(); ++i) {
    const config::Cluster& before = change.before.clusters[i];
    const config::Cluster& after = change.after.clusters[i];
    if (before.name != after.name || before.servers.size() != after.servers.size()) return false;
    for (std::size_t j = 0; j < before.servers.size(); ++j) {
      config::Server expected = before.servers[j];
      if (before.name == change.cluster && j == change.place) expected.address = change.to.address;
      if (!is_same(expected, after.servers[j])) return false;
    }
  }
  return true;
}

Result<config::Config> good_config(const std::string& text, const std::string& path,
                                   std::string_view which) {
  config::Checked checked = config::check(text, path);
  if (checked.problems.empty()) return std::move(checked.config);
  return fail(Code::kInvalidArgument,
              fmt::format("cluster replace: {}{}; nothing was changed", which,
                          config::format_problems(checked.problems, path)));
}

Result<std::size_t> only_place(const config::Cluster& cluster, const ReplacementWish& wish) {
  const auto places = places_of(cluster, wish.from);
  if (places.size() == 1) return places.front();
  if (places.empty()) {
    return fail(Code::kNotFound,
                fmt::format("cluster replace: {}: has no server at {}; it has {}", cluster.name,
                            wish.from, fmt::join(names_of(cluster), ", ")));
  }
  return fail(
      Code::kInvalidArgument,
      fmt::format("cluster replace: {}: has {} servers at {}; say which as ADDRESS@DB: {}",
                  cluster.name, places.size(), wish.from, fmt::join(names_of(cluster), ", ")));
}

Status check_wish(const config::Config& config, const config::Cluster* cluster,
                  const ReplacementWish& wish) {
  if (cluster == nullptr) {
    return fail(Code::kNotFound, fmt::format("cluster replace: {}: no cluster '{}' in it",
                                             config.path, wish.cluster));
  }
  if (cluster->servers.empty()) {
    return fail(Code::kNotSupported,
                fmt::format("cluster replace: {}: its stores are directories: stop the vdisks' "
                            "server, mount an empty directory in place of the lost one, start the "
                            "server, then `tlogctl repair VDISK`",
                            wish.cluster));
  }
  if (wish.from == wish.to) {
    return fail(Code::kInvalidArgument,
                fmt::format("cluster replace: {}: {} is both the old and the new server; an "
                            "emptied server at its old address is filled by itself",
                            wish.cluster, wish.from));
  }
  return {};
}

}  // namespace

std::string Replacement::key() const {
  return fmt::format("clusters.{}.servers.{}.address", cluster, place);
}

Result<Replacement> find_replacement(const std::string& text, const std::string& path,
                                     const ReplacementWish& wish) {
  Replacement found;
  found.cluster = wish.cluster;
  TLOG_ASSIGN(found.before, good_config(text, path, ""));
  const config::Cluster* cluster = found.before.find_cluster(wish.cluster);
  TLOG_TRY(check_wish(found.before, cluster, wish));
  // Begun before, and interrupted: there is nothing left to change, but to see to its end.
  if (places_of(*cluster, wish.from).empty() && places_of(*cluster, wish.to).size() == 1) {
    found.is_done = true;
    found.place = places_of(*cluster, wish.to).front();
    found.to = found.from = cluster->servers[found.place];
    found.from.address = wish.from;
    found.after = found.before;
    found.text = text;
    return found;
  }
  TLOG_ASSIGN(found.place, only_place(*cluster, wish));
  found.from = cluster->servers[found.place];
  const config::Checked checked = config::check(text, path);
  const config::Position at = config::position_in(
      checked.positions, fmt::format("clusters/{}/servers/{}/address", wish.cluster, found.place));
  const auto by_hand = [&](const std::string& reason) {
    return fail(Code::kNotSupported,
                fmt::format("cluster replace: {}: {} cannot be changed from here ({}); write {} "
                            "there by hand, then `tlogctl reload`",
                            path, found.key(), reason, wish.to));
  };
  auto edited = config::with_scalar(text, at, wish.to);
  if (!edited) return by_hand(edited.error().message());
  found.text = *std::move(edited);
  TLOG_ASSIGN(found.after, good_config(found.text, path, "with the new address: "));
  found.to = found.after.find_cluster(wish.cluster)->servers[found.place];
  if (!changes_only(found)) return by_hand("something else would change with it");
  if (found.to.address == found.from.address) return by_hand("it would stay as it is");
  return found;
}

}  // namespace tlog::ctl
