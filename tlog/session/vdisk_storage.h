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
Result<std::unique_ptr<blocks::BlockStorage>> open_cluster(const OpeningContext& context,
                                                           const Uuid& vdisk,
                                                           const ClusterClaim& claim);

}  // namespace tlog::session
