// File: tests/sim/model.h
// Model: what was appended, what was acknowledged, and what the servers then must have. It sees
// into all servers, and so knows at every moment what the product must not lose, and which loss
// would be more than the contract bears. A breach is a failure of the World.
//
// The contract: an acknowledged append is on its writer's quorum of servers, and so are all before
// it. As long as k of its shards are left (of each, not more than acks - k are lost) it is readable
// again when the servers answer, and whoever opens the log finds it. What is lost before a commit
// counts, too: it may be committed with what those servers had confirmed. Threading: the World's.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/sim_server.h"
#include "tests/support/aggregation_maker.h"
#include "tlog/walk/log_reader.h"

namespace tlog::sim {

class Model {
 public:
  Model(World& world, Network& network, format::VdiskFormat format)
      : world_(world), network_(network), format_(std::move(format)) {}

  void appended(const testing::Appended& made, const shard::ShardSet& shards, unsigned quorum);
  // A writer goes on behind this head: from now on no less of it may be left than can be read.
  void relied_on(const walk::LogHead& head) { relied_ = head.hash; }
  void opened(Epoch epoch) { newest_epoch_ = std::max(newest_epoch_, epoch); }
  // A writer was told that it is committed.
  void acknowledged(const format::AggregationReference& reference);

  // What an acknowledged log must not be less than.
  AggregationNumber committed() const { return chain_.size(); }
  AggregationNumber committed_before(Epoch epoch) const;  // by writers of earlier epochs
  // Who opened the log, having begun when so much was committed, found this head.
  void check_head(const std::string& who, AggregationNumber committed, const walk::LogHead& head);
  // One step of a walk by who began then. `before`: the hash of the step before it.
  void check_visited(const std::string& who, AggregationNumber committed, const seal::Opened& found,
                     const Hash256& before);

  // May this server lose something of this sort, while others may be away?
  bool may_lose_all(SimServer& server);
  bool all_others_are_whole(const SimServer& server);
  bool may_lose_shard(const SimServer& server, AggregationNumber number) {
    return may_lose_shard(server, committed_item(number));
  }
  // Makes a fault happen and remembers what of the log it has taken.
  void lose(SimServer& server, const std::function<void()>& fault);

  // At the end, when all is healed: every shard of every committed aggregation is where it must
  // be, as it was made.
  void check_complete();
  std::string key(AggregationNumber number) const;  // of a committed one

 private:
  struct Item {
    testing::Appended made;
    unsigned quorum = 0;  // of its writer
    std::vector<std::string> shards;
    std::set<unsigned> lost;  // servers that had it, and lost it
  };
  bool is_intact(SimServer& server, const Item& item);
  unsigned index_on(const SimServer& server, AggregationNumber number) const;
  unsigned intact_elsewhere(const SimServer& server, const Item& item);
  const Item* find(const Hash256& hash) const;
  const Item& committed_item(AggregationNumber number) const { return *find(chain_[number - 1]); }
  void check_stored(const Item& item, const format::AggregationReference& acknowledged);
  bool may_lose_shard(const SimServer& server, const Item& item) {
    return intact_elsewhere(server, item) >= format_.data_shards;
  }
  bool may_lose_uncommitted(SimServer& server, const Item& item);
  using Age = std::pair<Epoch, std::uint64_t>;  // and generation
  Age metadata_on(SimServer& server) const;
  bool metadata_may_be_lost(const SimServer& server);

  World& world_;
  Network& network_;
  const format::VdiskFormat format_;
  std::map<std::array<std::uint8_t, 32>, Item> items_;  // by hash
  std::vector<Hash256> chain_;                          // of numbers 1, 2, ...: committed
  Epoch newest_epoch_ = 0;
  Hash256 relied_;  // the head of the last who opened it for writing
};

}  // namespace tlog::sim
