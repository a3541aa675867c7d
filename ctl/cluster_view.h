// File: ctl/cluster_view.h
// A cluster as `tlogctl cluster` sees it: its stores as the configuration lists them, with what
// every vdisk that uses them says of each. A vdisk has connections of its own, so that the same
// store may be up for one and not for another.
// Threading: pure functions and values.
#pragma once

#include <string>
#include <vector>

#include "ctl/control_protocol.h"
#include "tlog/config/config.h"

namespace tlog::ctl {

// What is said of the vdisk; null: nothing.
const control::VdiskReport* report_of(const std::vector<control::VdiskReport>& reports,
                                      const std::string& vdisk);

bool is_up(const control::StoreReport& report);
bool is_whole(const control::StoreReport& report);  // and has all that it should have

// What a vdisk keeps on a cluster: its log, the blocks that it is served from, or those that
// follow.
enum class Use { kLog, kBlocks, kStandby };
std::string_view use_name(Use use);

// The cluster that has a vdisk's blocks now; after a failover not that of `storage`. "": a file
// has.
std::string active_cluster(const config::Vdisk& vdisk, const control::VdiskReport* report);
// The one that follows, or would.
std::string standby_cluster(const config::Vdisk& vdisk, const control::VdiskReport* report);

// What a vdisk says of a store.
struct StoreView {
  std::string vdisk;
  Use use = Use::kLog;
  control::StoreReport report;
  bool is_whole() const { return ctl::is_whole(report); }
};
struct PlaceView {
  std::string address;  // or the directory
  std::vector<StoreView> views;
  bool is_well() const;        // somebody knows it, and all who do say it is up and whole
  std::string state() const;   // of the first who has something against it; "unknown"
  std::string server() const;  // its uuid, where it is known
};
struct ClusterUser {
  std::string vdisk;
  Use use = Use::kLog;
  std::string state;   // as in VdiskReport, or "not served"; of a standby as in StandbyReport
  std::string reason;  // of a state that is not good
  std::uint64_t missing_shards = 0;
  bool is_well() const;
};
struct ClusterView {
  std::string name;
  std::vector<PlaceView> places;
  std::vector<ClusterUser> users;
  bool is_well() const;
};

// `reports` are of all servers that answered; vdisks of `config` that are in none are not served.
ClusterView view_cluster(const config::Config& config, const config::Cluster& cluster,
                         const std::vector<control::VdiskReport>& reports);

std::string cluster_table(const ClusterView& cluster);
std::string clusters_json(const std::vector<ClusterView>& clusters);
// What is not well, in a few words; "" when all is.
std::string what_is_wrong(const std::vector<ClusterView>& clusters);

}  // namespace tlog::ctl
