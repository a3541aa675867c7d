#include "ctl/cluster_view.h"

#include <algorithm>

#include "ctl/status_table.h"

namespace tlog::ctl {
namespace {

const std::vector<control::StoreReport>& stores_of(const control::VdiskReport& report, Use use) {
  static const std::vector<control::StoreReport> none;
  switch (use) {
    case Use::kLog:
      return report.stores;
    case Use::kBlocks:
      return report.block_servers;
    case Use::kStandby:
      return report.standby ? report.standby->servers : none;
  }
  return none;
}

void add_user(ClusterView& cluster, const std::string& vdisk, Use use,
              const control::VdiskReport* report) {
  ClusterUser& user = cluster.users.emplace_back();
  user.vdisk = vdisk;
  user.use = use;
  if (report == nullptr) {
    user.state = "not served";
    user.reason = "no server with this configuration has it";
    return;
  }
  const bool follows = use == Use::kStandby && report->standby;
  user.state = follows ? report->standby->state : report->state;
  user.reason = follows ? report->standby->reason : report->reason;
  if (use == Use::kLog) user.missing_shards = report->missing_shards;
  const auto& stores = stores_of(*report, use);
  const std::size_t known = std::min(stores.size(), cluster.places.size());
  for (std::size_t i = 0; i < known; ++i) {
    cluster.places[i].views.push_back({vdisk, use, stores[i]});
  }
}

}  // namespace

std::string_view use_name(Use use) {
  switch (use) {
    case Use::kLog:
      return "log";
    case Use::kBlocks:
      return "blocks";
    case Use::kStandby:
      return "standby";
  }
  return "unknown";
}

std::string active_cluster(const config::Vdisk& vdisk, const control::VdiskReport* report) {
  const bool is_told = report != nullptr && report->standby && !report->standby->active.empty();
  return is_told ? report->standby->active : vdisk.storage_cluster;
}

std::string standby_cluster(const config::Vdisk& vdisk, const control::VdiskReport* report) {
  if (!vdisk.tlog.slave_sync || vdisk.slave.cluster.empty()) return "";
  return active_cluster(vdisk, report) == vdisk.slave.cluster ? vdisk.storage_cluster
                                                              : vdisk.slave.cluster;
}

const control::VdiskReport* report_of(const std::vector<control::VdiskReport>& reports,
                                      const std::string& vdisk) {
  auto found = std::find_if(reports.begin(), reports.end(),
                            [&](const auto& report) { return report.name == vdisk; });
  return found == reports.end() ? nullptr : &*found;
}

bool is_up(const control::StoreReport& report) {
  return report.usable && state_of(report) == "up";
}

bool is_whole(const control::StoreReport& report) {
  return is_up(report) && report.left == 0;
}

bool PlaceView::is_well() const {
  return !views.empty() && std::all_of(views.begin(), views.end(),
                                       [](const StoreView& view) { return view.is_whole(); });
}

std::string PlaceView::state() const {
  if (views.empty()) return "unknown";
  auto found = std::find_if(views.begin(), views.end(),
                            [](const StoreView& view) { return !is_up(view.report); });
  if (found != views.end()) return std::string(state_of(found->report));
  // Up, and shards that it should have are still being looked up there or made anew.
  return is_well() ? "up" : "mending";
}

std::string PlaceView::server() const {
  for (const StoreView& view : views) {
    if (!view.report.server.empty()) return view.report.server;
  }
  return "";
}

bool ClusterUser::is_well() const {
  if (use == Use::kStandby) return state == "in sync" || state == "closed";
  const bool is_served = state == "serving" || state == "read-only" || state == "closed";
  return is_served && missing_shards == 0;
}

bool ClusterView::is_well() const {
  return std::all_of(places.begin(), places.end(), [](const auto& one) { return one.is_well(); }) &&
         std::all_of(users.begin(), users.end(), [](const auto& one) { return one.is_well(); });
}

ClusterView view_cluster(const config::Config& config, const config::Cluster& cluster,
                         const std::vector<control::VdiskReport>& reports) {
  ClusterView view;
  view.name = cluster.name;
  for (const std::string& directory : cluster.directories) {
    view.places.push_back({.address = directory, .views = {}});
  }
  for (const config::Server& server : cluster.servers) {
    view.places.push_back(
        {.address = server.address + (server.db.empty() ? "" : "@" + server.db), .views = {}});
  }
  for (const config::Vdisk& vdisk : config.vdisks) {
    const control::VdiskReport* report = report_of(reports, vdisk.name);
    if (vdisk.tlog.cluster == cluster.name) add_user(view, vdisk.name, Use::kLog, report);
    if (active_cluster(vdisk, report) == cluster.name) {
      add_user(view, vdisk.name, Use::kBlocks, report);
    }
    if (standby_cluster(vdisk, report) == cluster.name) {
      add_user(view, vdisk.name, Use::kStandby, report);
    }
  }
  return view;
}

}  // namespace tlog::ctl
