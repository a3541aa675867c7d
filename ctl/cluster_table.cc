// A cluster's view, for people and for programs.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ctl/cluster_view.h"
#include "ctl/status_table.h"

namespace tlog::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string user_line(const ClusterUser& user) {
  std::string line = fmt::format("  vdisk {}: {}, {}", user.vdisk, use_name(user.use), user.state);
  if (user.missing_shards != 0) {
    line += fmt::format(", {} shards missing and being brought back", user.missing_shards);
  }
  if (!user.reason.empty()) line += fmt::format("; {}", user.reason);
  return line + "\n";
}

std::string view_line(const StoreView& view) {
  std::string line =
      fmt::format("    vdisk {} ({}): {}", view.vdisk, use_name(view.use), state_of(view.report));
  if (!view.report.condition.empty() && view.report.condition != state_of(view.report)) {
    line += ": " + view.report.condition;
  }
  if (view.report.left != 0) {
    line += fmt::format(", {} shards to be looked up or made anew", view.report.left);
  }
  return line + "\n";
}

Json json_of(const PlaceView& place) {
  Json views = Json::array();
  for (const StoreView& view : place.views) {
    views.push_back({{"vdisk", view.vdisk},
                     {"use", use_name(view.use)},
                     {"usable", view.report.usable},
                     {"state", state_of(view.report)},
                     {"condition", view.report.condition},
                     {"warning", view.report.warning},
                     {"queuedBytes", view.report.queued_bytes},
                     {"has", view.report.has},
                     {"wanted", view.report.wanted},
                     {"left", view.report.left}});
  }
  return {{"address", place.address},
          {"ok", place.is_well()},
          {"state", place.state()},
          {"server", place.server()},
          {"views", std::move(views)}};
}

Json json_of(const ClusterUser& user) {
  return {{"name", user.vdisk},    {"use", use_name(user.use)},
          {"ok", user.is_well()},  {"state", user.state},
          {"reason", user.reason}, {"missingShards", user.missing_shards}};
}

}  // namespace

std::string cluster_table(const ClusterView& cluster) {
  std::string text = fmt::format("cluster {}: {} stores, {}\n", cluster.name, cluster.places.size(),
                                 cluster.is_well() ? "all is well" : "not all is well");
  for (const ClusterUser& user : cluster.users) text += user_line(user);
  if (cluster.users.empty()) text += "  no vdisk uses it\n";
  std::size_t width = 5;
  for (const PlaceView& place : cluster.places) width = std::max(width, place.address.size());
  text += fmt::format("  {:<{}}  {:<10}  {}\n", "store", width, "state", "server");
  for (const PlaceView& place : cluster.places) {
    const std::string server = place.server();
    text += fmt::format("  {:<{}}  {:<10}  {}\n", place.address, width, place.state(),
                        server.empty() ? "-" : server);
    for (const StoreView& view : place.views) {
      if (!view.is_whole()) text += view_line(view);
      if (!view.report.warning.empty()) {
        text += fmt::format("    warning: {}\n", view.report.warning);
      }
    }
  }
  return text;
}

std::string clusters_json(const std::vector<ClusterView>& clusters) {
  Json list = Json::array();
  bool all_well = true;
  for (const ClusterView& cluster : clusters) {
    Json stores = Json::array();
    for (const PlaceView& place : cluster.places) stores.push_back(json_of(place));
    Json vdisks = Json::array();
    for (const ClusterUser& user : cluster.users) vdisks.push_back(json_of(user));
    list.push_back({{"name", cluster.name},
                    {"ok", cluster.is_well()},
                    {"vdisks", std::move(vdisks)},
                    {"stores", std::move(stores)}});
    all_well = all_well && cluster.is_well();
  }
  const Json json = {{"ok", all_well}, {"clusters", std::move(list)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string what_is_wrong(const std::vector<ClusterView>& clusters) {
  std::size_t stores = 0;
  std::size_t not_served = 0;
  std::uint64_t missing = 0;
  for (const ClusterView& cluster : clusters) {
    stores +=
        static_cast<std::size_t>(std::count_if(cluster.places.begin(), cluster.places.end(),
                                               [](const auto& one) { return !one.is_well(); }));
    for (const ClusterUser& user : cluster.users) {
      missing += user.missing_shards;
      if (!user.is_well() && user.missing_shards == 0) ++not_served;
    }
  }
  std::string text;
  auto add = [&](std::uint64_t count, std::string_view what) {
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  };
  add(stores, "stores are not up");
  add(missing, "shards are missing");
  add(not_served, "uses by vdisks that are not served, have failed or are not in sync");
  return text;
}

}  // namespace tlog::ctl
