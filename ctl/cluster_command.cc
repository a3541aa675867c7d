// `tlogctl cluster status`: the stores of the configuration's clusters, as all running servers that
// use them see them.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "ctl/cluster_view.h"
#include "ctl/target.h"

namespace tlog::ctl {
namespace {

std::vector<control::VdiskReport> hear_all(const Place& place, const config::Config& config) {
  Heard heard = hear(place, config, {.command = control::Command::kStatus}, kAnswerMs);
  // One server that does not answer must not hide what the others know.
  for (const Error& error : heard.errors) {
    std::fputs(fmt::format("tlogctl: warning: {}\n", error.message()).c_str(), stderr);
  }
  if (heard.replies.empty()) {
    std::fputs(
        "tlogctl: warning: nobody serves the vdisks of this configuration: nothing is known "
        "of the stores; start nbdkit with it\n",
        stderr);
  }
  return reports_of(std::move(heard));
}

}  // namespace

Status cluster_status(const Place& place, const std::string& cluster, bool json) {
  TLOG_ASSIGN(config::Config config, load_config(place));
  if (!cluster.empty() && config.find_cluster(cluster) == nullptr) {
    return fail(Code::kNotFound, fmt::format("{}: no cluster '{}' in it", config.path, cluster));
  }
  const std::vector<control::VdiskReport> reports = hear_all(place, config);
  std::vector<ClusterView> views;
  for (const config::Cluster& one : config.clusters) {
    if (cluster.empty() || one.name == cluster) {
      views.push_back(view_cluster(config, one, reports));
    }
  }
  // A cluster that is only kept in reserve has nobody who could know it.
  if (cluster.empty()) {
    std::erase_if(views, [](const ClusterView& view) { return view.users.empty(); });
  }
  if (json) {
    std::fputs(clusters_json(views).c_str(), stdout);
  } else {
    for (const ClusterView& view : views) std::fputs(cluster_table(view).c_str(), stdout);
  }
  const std::string wrong = what_is_wrong(views);
  if (wrong.empty()) return {};
  return fail(Code::kUnavailable, fmt::format("cluster status: {}", wrong));
}

}  // namespace tlog::ctl
