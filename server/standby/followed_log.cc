#include "server/standby/followed_log.h"

#include "tlog/blocks/cluster_storage.h"
#include "tlog/session/vdisk_storage.h"

namespace tlog::server {

FollowedLog::FollowedLog(const Parts& parts)
    : parts_(parts), access_(parts.log->access()), name_(parts.log->format().name) {}

const session::RecentLog& FollowedLog::recent_log() const {
  const auto newest = parts_.log->newest();
  MutexLock lock(mutex_);
  if (newest && newest->number > newest_) {
    newest_ = newest->number;
    recent_.add(*newest);
  }
  return recent_;
}

Result<std::shared_ptr<blocks::BlockStorage>> FollowedLog::open_follower(
    const std::vector<store::RespStoreOptions>& servers, Sequence possible, bool discard) {
  const format::VdiskFormat& format = parts_.log->format();
  format::Metadata metadata;
  metadata.epochs = access_.epochs;
  blocks::ClusterStorageOptions options;
  options.vdisk = name_;
  options.uuid = format.vdisk;
  options.size = format.size;
  options.block_size = format.block_size;
  options.servers = servers;
  options.epoch = epoch();
  options.forks = session::forks_of(metadata);
  options.possible = possible;
  options.follows = true;
  options.discards = discard;
  options.cache_bytes = 0;  // nobody reads from it
  return blocks::open_cluster_storage(options, *parts_.loop, *parts_.logger);
}

}  // namespace tlog::server
