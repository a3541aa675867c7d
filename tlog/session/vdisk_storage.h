// File: tlog/session/vdisk_storage.h
// A vdisk's block storage as its configuration wants it: a file, or a cluster's servers.
// Threading: the thread that opens the vdisk.
#pragma once

#include "tlog/blocks/cluster_storage.h"
#include "tlog/session/opening.h"
#include "tlog/store/stores.h"

namespace tlog::session {

// What a password file says; "" without one.
Result<std::string> read_password(const std::string& path, io::FileSystem& files);
// How to reach the servers of a cluster, their passwords read from their files.
Result<std::vector<store::RespStoreOptions>> server_options(const config::Cluster& cluster,
                                                            io::FileSystem& files);

// `interrupted`: an earlier creation of the same vdisk may have come this far.
Status create_storage(const OpeningContext& context, const Uuid& vdisk, bool interrupted);

Result<std::unique_ptr<blocks::BlockStorage>> open_file(const OpeningContext& context,
                                                        const Uuid& vdisk);

// What a cluster's servers are told and asked, see blocks/cluster_storage.h.
struct ClusterClaim {
  Epoch epoch = 0;
  std::vector<blocks::Fork> forks;
  Sequence needed = 0;
  Sequence possible = 0;
};
// Where the vdisk has gone on without what an earlier writer's journal had.
std::vector<blocks::Fork> forks_of(const format::Metadata& metadata);

// `cluster`: one of the vdisk's, see active_cluster().
Result<std::unique_ptr<blocks::BlockStorage>> open_cluster(const OpeningContext& context,
                                                           const Uuid& vdisk,
                                                           const std::string& cluster,
                                                           const ClusterClaim& claim);

// Which of the vdisk's clusters has its blocks: since a failover the one that the log's metadata
// names.
const std::string& active_cluster(const config::Vdisk& vdisk, const format::Metadata& metadata);

// What a standby of the vdisk is made with, but for what only the served vdisk has. `context` need
// not outlive it, what it borrows must.
Result<StandbyParts> standby_parts(const OpeningContext& context, const Uuid& vdisk,
                                   const std::string& active, const ClusterClaim& claim);
// What the configuration says of it.
Result<Standby::Settings> standby_settings(const config::Config& config, const config::Vdisk& vdisk,
                                           io::FileSystem& files);

}  // namespace tlog::session
