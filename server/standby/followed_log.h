// FollowedLog: a log that a tlogserver writes, as its follower sees it. A server has no journal:
// everything is read from the log. Contract: standby::Followed.
#pragma once

#include <string>

#include "server/log/served_log.h"
#include "slave-sync/followed.h"
#include "tlog/base/mutex.h"

namespace tlog::server {

class FollowedLog final : public standby::Followed {
 public:
  // All are borrowed.
  struct Parts {
    ServedLog* log = nullptr;
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    Logger* logger = nullptr;
  };
  explicit FollowedLog(const Parts& parts);

  const std::string& name() const override { return name_; }
  Epoch epoch() const override { return parts_.log->epoch(); }
  Sequence stored() const override { return parts_.log->stored(); }
  // A standby is given what is stored alone, by whatever server.
  Sequence durable() const override { return stored(); }
  const session::RecentLog& recent_log() const override;
  io::Workers& workers() const override { return *parts_.workers; }
  Logger& logger() const override { return *parts_.logger; }
  const std::vector<store::Store*>& log_stores() const override { return access_.stores; }
  const seal::Sealer& sealer() const override { return *access_.sealer; }
  Result<std::optional<standby::Fresh>> take_fresh(Sequence, std::uint64_t) override {
    return std::optional<standby::Fresh>();
  }
  void mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) override {
    parts_.log->mend(number, shards);
  }
  Result<std::shared_ptr<blocks::BlockStorage>> open_follower(
      const std::vector<store::RespStoreOptions>& servers, Sequence possible,
      bool discard) override;

 private:
  const Parts parts_;
  const ServedLog::Access access_;
  const std::string name_;

  mutable Mutex mutex_;
  // What has been looked at of the log's newest aggregations: with gaps.
  mutable session::RecentLog recent_;
  mutable AggregationNumber newest_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tlog::server
