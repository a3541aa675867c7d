// File: tests/sim/actors.h
// Those who use the log of a scenario: SimWriter, who opens it again and again and writes, and
// SimReader, who walks it meanwhile. Each life is a process of its own, with the product's own
// stores, reader and writer. Threading: the World's; their calls are a fiber's.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "tests/sim/memory_files.h"
#include "tests/sim/model.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_process.h"
#include "tests/sim/sim_standby.h"
#include "tlog/flush/log_writer.h"

namespace tlog::sim {

// What all of them share.
struct Stage {
  World& world;
  Network& network;
  Model& model;
  ScenarioCounts& counts;
  const format::VdiskFormat format;
  const seal::Sealer& sealer;
  testing::AggregationMaker maker;
  SimStandby* standby = nullptr;          // null: there is none
  unsigned write_quorum = 0;              // as configured; 0: the usual one
  std::uint64_t append_pause_ns = 0;      // between appends, about
  std::uint64_t life_ns = 0;              // of a writer, at most
  bool healing = false;                   // no faults any more: everything must come to its end
  bool ended = false;                     // the writer has come to its end
  std::string refusal = {};               // the last one
  std::uint64_t healed_ns = 0;            // when
  std::deque<SimProcess> processes = {};  // all there were: events may refer to any

  SimProcess& new_process() { return processes.emplace_back(world, network, format.name); }
  bool undecided() const;  // what was refused last: where the log ends
  // An answer that an opening or a reading may give while servers are away.
  void check_refusal(const std::string& who, const Error& error);
};

class SimWriter {
 public:
  SimWriter(Stage& stage, std::string name) : stage_(stage), name_(std::move(name)) {}

  // Life after life. After the heal the last one goes on until everything has come to its end.
  void live(bool is_last);

 private:
  struct Life;
  void one_life(bool is_last);
  Status open(const std::shared_ptr<Life>& life);
  void append(const std::shared_ptr<Life>& life);
  void crash(Life& life);
  void empty_refused_servers(SimProcess& process);
  bool is_contested(const Life& life) const;
  bool close(Life& life);
  bool settle(Life& life);
  bool scrub(Life& life, bool repairs);
  void begin_standby(Life& life, const format::Metadata& metadata);
  bool settle_standby(Life& life);
  void leave(Life& life);
  void take_stock(const std::shared_ptr<Life>& life);

  Stage& stage_;
  const std::string name_;
  MemoryFiles disk_;
  std::uint64_t lives_ = 0;
};

class SimReader {
 public:
  SimReader(Stage& stage, std::string name) : stage_(stage), name_(std::move(name)) {}

  void live();
  // Reads all of it; whether it could.
  bool read_once();

 private:
  Stage& stage_;
  const std::string name_;
};

}  // namespace tlog::sim
