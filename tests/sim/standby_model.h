// File: tests/sim/standby_model.h
// StandbyModel: the disk that the committed log makes, aggregation by aggregation, and what the
// servers of a standby cluster must then have. It looks into them whenever they have become others,
// and so knows at every moment what each has; whatever they lose is for the follower to find.
//
// What must be, at all moments: a server that says of itself that it has all up to a sequence has
// it, byte by byte, with nothing that is not committed; between batches bytes of later committed
// records may be there, as far as the server's record announces them. A breach is a failure of the
// World. Threading: the World's.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/sim_server.h"
#include "tests/support/aggregation_maker.h"

namespace tlog::sim {

class StandbyModel {
 public:
  StandbyModel(World& world, Network& servers, const format::VdiskFormat& format);

  void appended(const testing::Appended& made) { made_[made.reference.hash.bytes] = made; }
  // It is, and all before it: what a standby may have. Never to be replaced.
  void committed(AggregationNumber number, Hash256 hash);
  Sequence committed_end() const { return states_.back().sequence; }

  // Somebody says that all servers have everything up to there: each of them has had it, at some
  // moment since then.
  void check_said(const std::string& who, Sequence sequence, std::uint64_t since_ns);
  // Every server has exactly the disk of the committed log.
  void check_equal();

  std::string key() const;  // of the blocks

 private:
  struct State {  // after an aggregation
    Sequence sequence = 0;
    Hash256 hash = {};
    std::string disk;
  };
  struct Moment {
    std::uint64_t at_ns = 0;
    Sequence has = 0;
  };
  void look(SimServer& server);
  void check_blocks(SimServer& server, const std::map<std::string, std::string>& fields,
                    Sequence applied, Sequence reach);
  const State* state_at(Sequence sequence) const;

  World& world_;
  Network& servers_;
  const format::VdiskFormat format_;
  std::map<std::array<std::uint8_t, 32>, testing::Appended> made_;  // by hash
  std::vector<State> states_;                                       // of numbers 0, 1, ...
  std::vector<std::vector<Moment>> moments_;                        // per server, ascending
};

}  // namespace tlog::sim
