// File: tests/sim/scenario.h
// A scenario: one seed's history of a vdisk's log. Writers open it, append, crash or close, on
// machines with disks of their own; readers walk it meanwhile; a nemesis does to servers and
// network what may happen. Then all is healed, and what was acknowledged must be there, everywhere.
// Threading: one thread; any number of scenarios one after the other.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

namespace tlog::sim {

// Something that is wrong on purpose, so that it is seen that the checks see it.
enum class Broken {
  kNothing,
  kForgetfulServers,  // servers say OK and keep nothing
  kTooMuchIsLost,     // more servers lose their contents than the contract bears
  kLostTail,          // an acknowledged tail is taken from all servers
  // Of the standby:
  kStandbyForgets,       // a server says OK to blocks and keeps nothing
  kStandbySaysTooMuch,   // what is appended is said to be synced
  kStandbyDoesNotAsk,    // who wants to be certain is told what is remembered
  kStandbyChainChanged,  // servers say that another log has brought them where they are
  kStandbyChanged,       // a block becomes another one, after the heal
};

struct ScenarioOptions {
  std::uint64_t seed = 1;
  Broken broken = Broken::kNothing;
  bool standby = false;  // a standby cluster beside the log, with faults of its own
  bool rivals = false;   // in half of the scenarios two hosts want to write
  std::FILE* trace = nullptr;
};

// What happened, so that a run of many seeds can show that they were not idle.
struct ScenarioCounts {
  std::uint64_t events = 0;
  std::uint64_t virtual_seconds = 0;
  std::uint64_t opened = 0;   // for writing
  std::uint64_t refused = 0;  // openings and readings, while servers were away
  std::uint64_t crashed = 0;
  std::uint64_t fenced = 0;           // writers who lived on, and were told that another one has it
  std::uint64_t given_up = 0;         // openings with --accept-loss
  std::uint64_t emptied_by_hand = 0;  // servers that were refused until somebody emptied them
  std::uint64_t appended = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t walks = 0;  // by readers, to the end
  std::uint64_t faults = 0;
  std::uint64_t losses = 0;  // of these, those in which a server lost something
  std::uint64_t synced = 0;  // the standby had caught up
  std::uint64_t waited = 0;  // of these, its servers had been asked first
  ScenarioCounts& operator+=(const ScenarioCounts& other);
  std::string text() const;
};

struct ScenarioResult {
  std::optional<std::string> failure;
  std::uint64_t trace_hash = 0;
  ScenarioCounts counts;
};
ScenarioResult run_scenario(const ScenarioOptions& options);

}  // namespace tlog::sim
