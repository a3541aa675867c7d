// File: tests/sim/nemesis.h
// SimNemesis: the faults of a scenario. Servers may be away in any number, for a while; they lose
// what they have only as far as the contract bears it, which the Model knows.
// Threading: the World's; wreak() in a fiber.
#pragma once

#include <functional>

#include "tests/sim/model.h"
#include "tests/sim/scenario.h"

namespace tlog::sim {

class SimNemesis {
 public:
  struct Limits {
    std::uint64_t scenario_ns = 0;
    bool loses = true;  // a quorum of k bears no loss right after a commit
  };
  // Without a model it bears everything: a standby's servers.
  SimNemesis(World& world, Network& network, Model* model, ScenarioCounts& counts, Broken broken,
             Limits limits);

  void wreak(const std::function<bool()>& goes_on);
  void heal();          // for good
  void take_the_end();  // of the acknowledged log, from all servers

 private:
  void strike();
  void hit(SimServer& server);
  void kill(SimServer& server);
  void wipe(SimServer& server);
  void rot(SimServer& server);
  void slow(SimServer& server);
  // Takes it back in a while.
  void until_later(std::function<void()> end);
  bool may_lose_all(SimServer& server);
  void lose(SimServer& server, const std::function<void()>& fault);

  World& world_;
  Network& network_;
  Model* const model_;
  ScenarioCounts& counts_;
  const Broken broken_;
  const Limits limits_;
  std::uint64_t pause_ns_;     // between faults, about
  std::uint64_t duration_ns_;  // of a fault, at most
  unsigned kinds_;             // a bit for each that happens in this scenario
  bool healed_ = false;
};

}  // namespace tlog::sim
