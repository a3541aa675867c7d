// File: tests/sim/sim_standby.h
// SimStandby: a standby cluster beside a simulated log. Each life of a writer has the product's own
// Follower for it, in a fiber, as the Keeper's thread has: it catches up again and again, and says
// how far it is; sometimes somebody wants to be certain, and it asks the servers first. The
// StandbyModel knows whether what it says is so.
// Threading: the World's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "slave-sync/follower.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_process.h"
#include "tests/sim/standby_model.h"
#include "tlog/blocks/cluster_layout.h"

namespace tlog::sim {

// One life of a writer, as its follower sees it.
class SimFollowed final : public standby::Followed {
 public:
  struct Parts {
    World& world;
    SimProcess& process;
    const format::VdiskFormat& format;
    const seal::Sealer& sealer;
    Epoch epoch = 0;
    std::vector<blocks::Fork> forks;
    Sequence stored = 0;  // when it was opened
    std::function<void(AggregationNumber, const std::vector<walk::BadShard>&)> mend = {};
  };
  explicit SimFollowed(Parts parts);

  void appended(const testing::Appended& made);
  void committed(const format::AggregationReference& reference);
  // Its writer is told nothing more.
  void stop() {
    stopping_ = true;
    parts_.mend = {};
  }
  // Stopped, and its writer is gone: the process ends as soon as nobody follows any more.
  void leave();

  bool stopping() const { return stopping_; }
  bool dead() const { return parts_.process.dead(); }
  Sequence answered = 0;    // the servers were asked, and had everything up to here
  std::string reason = {};  // why they did not

  const std::string& name() const override { return parts_.format.name; }
  Epoch epoch() const override { return parts_.epoch; }
  Sequence stored() const override { return stored_; }
  Sequence durable() const override { return durable_; }
  const session::RecentLog& recent_log() const override { return recent_; }
  io::Workers& workers() const override { return parts_.process.workers(); }
  Logger& logger() const override { return parts_.world.logger(); }
  const std::vector<store::Store*>& log_stores() const override { return stores_; }
  const seal::Sealer& sealer() const override { return parts_.sealer; }
  // Sometimes what was appended of late, as from a journal.
  Result<std::optional<standby::Fresh>> take_fresh(Sequence after,
                                                   std::uint64_t bytes_wanted) override;
  void mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) override;
  Result<std::shared_ptr<blocks::BlockStorage>> open_follower(
      const std::vector<store::RespStoreOptions>& servers, Sequence possible,
      bool discard) override;

 private:
  friend class SimStandby;
  Parts parts_;
  const std::vector<store::Store*> stores_;
  session::RecentLog recent_;
  std::deque<testing::Appended> fresh_;  // ascending, without gaps
  Sequence stored_;
  Sequence durable_;
  bool stopping_ = false;
  bool is_followed_ = false;
  bool is_left_ = false;
};

class SimStandby {
 public:
  SimStandby(World& world, Network& servers, StandbyModel& model, ScenarioCounts& counts,
             Broken broken)
      : world_(world), servers_(servers), model_(model), counts_(counts), broken_(broken) {}

  // In a fiber of its own, until it is to stop.
  void begin(const std::string& who, const std::shared_ptr<SimFollowed>& vdisk);
  StandbyModel& model() { return model_; }

 private:
  void follow(const std::string& who, SimFollowed& vdisk);
  void round(const std::string& who, SimFollowed& vdisk, standby::Follower& follower,
             bool& is_open);
  void check(const std::string& who, SimFollowed& vdisk, const Status& done);
  void damage_chain();

  World& world_;
  Network& servers_;
  StandbyModel& model_;
  ScenarioCounts& counts_;
  const Broken broken_;
  Epoch newest_epoch_ = 0;
};

}  // namespace tlog::sim
