// File: tests/sim/sim_process.h
// SimProcess: one life of a program that writes or reads a log: a loop, workers, and the product's
// own redis-protocol stores, connected to the simulated servers. Nothing of it outlives die() but
// what is on its way. Threading: the World's; it must live until the World's events are forgotten.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_loop.h"
#include "tlog/seal/sealer.h"
#include "tlog/store/stores.h"
#include "tlog/walk/log_reader.h"

namespace tlog::sim {

class SimProcess {
 public:
  SimProcess(World& world, Network& network, std::string vdisk);

  io::Loop& loop() { return loop_; }
  io::Workers& workers() { return workers_; }
  std::vector<store::Store*> stores() const;
  // For a reader; or, for who takes the log over, with what LogReader::Parts says of that.
  Result<std::unique_ptr<walk::LogReader>> read(const seal::Sealer& sealer,
                                                std::vector<bool> not_fenced = {},
                                                bool accept_loss = false);
  void die() { loop_.die(); }
  bool dead() const { return loop_.dead(); }
  void end() { stores_.clear(); }  // no store is used any more

 private:
  World& world_;
  const std::string vdisk_;
  SimLoop loop_;
  SimWorkers workers_;
  std::vector<std::unique_ptr<store::Store>> stores_;
};

}  // namespace tlog::sim
