#include "slave-sync/followed_core.h"

#include "slave-sync/journal_source.h"
#include "tlog/session/core.h"

namespace tlog::standby {

const std::string& FollowedCore::name() const {
  return parts_.core->config.name;
}

Epoch FollowedCore::epoch() const {
  return parts_.log->epoch();
}

Sequence FollowedCore::stored() const {
  return parts_.core->stored.value();
}

Sequence FollowedCore::durable() const {
  return parts_.core->durable.value();
}

const session::RecentLog& FollowedCore::recent_log() const {
  return parts_.core->recent_log;
}

io::Workers& FollowedCore::workers() const {
  return parts_.core->workers;
}

Logger& FollowedCore::logger() const {
  return parts_.core->logger;
}

Result<std::optional<Fresh>> FollowedCore::take_fresh(Sequence after, std::uint64_t bytes_wanted) {
  return standby::take_fresh(*parts_.core, after, bytes_wanted);
}

void FollowedCore::mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) {
  parts_.log->mend(number, shards);
}

Result<std::shared_ptr<blocks::BlockStorage>> FollowedCore::open_follower(
    const std::vector<store::RespStoreOptions>& servers, Sequence possible, bool discard) {
  return parts_.open_follower(servers, possible, discard);
}

}  // namespace tlog::standby
