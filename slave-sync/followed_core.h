// File: slave-sync/followed_core.h
// FollowedCore: a served vdisk, as its follower sees it. Contract: Followed.
#pragma once

#include "slave-sync/followed.h"

namespace tlog::standby {

class FollowedCore final : public Followed {
 public:
  explicit FollowedCore(const session::StandbyParts& parts) : parts_(parts) {}  // outlives it

  const std::string& name() const override;
  Epoch epoch() const override;
  Sequence stored() const override;
  Sequence durable() const override;
  const session::RecentLog& recent_log() const override;
  io::Workers& workers() const override;
  Logger& logger() const override;
  const std::vector<store::Store*>& log_stores() const override { return parts_.log_stores; }
  const seal::Sealer& sealer() const override { return *parts_.sealer; }
  Result<std::optional<Fresh>> take_fresh(Sequence after, std::uint64_t bytes_wanted) override;
  void mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) override;
  Result<std::shared_ptr<blocks::BlockStorage>> open_follower(
      const std::vector<store::RespStoreOptions>& servers, Sequence possible,
      bool discard) override;

 private:
  const session::StandbyParts& parts_;
};

}  // namespace tlog::standby
