// File: tests/support/engine_rig.h
// A whole engine over a directory of the test's own: configuration, key, six embedded stores. It
// can be stopped and started again, over any FileSystem. Errors end the test that caused them
// (std::runtime_error).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tlog/session/engine.h"

namespace tlog::testing {

struct EngineRigOptions {
  std::string directory;        // exists
  std::string arena_directory;  // "" : below `directory`
  std::uint64_t vdisk_size = 16 * kMiB;
  std::uint64_t journal_size = 16 * kMiB;
  std::uint64_t arena_size = 4 * kMiB;
  std::vector<std::string> block_servers;          // addresses; none: blocks in a file
  std::uint64_t block_timeout_ns = 2'000'000'000;  // of requests to them
  unsigned data_shards = 4;
  unsigned parity_shards = 2;
  unsigned write_quorum = 0;
  std::uint64_t flush_size = 25;
  std::uint64_t flush_time_ns = 25'000'000'000;
  std::uint64_t stall_timeout_ns = 5'000'000'000;
  std::uint64_t memory_budget = 64 * kMiB;
  std::uint64_t scrub_rate = 0;  // 0: no limit
  const Clock* clock = nullptr;  // null: the system's
  config::Durability durability = config::Durability::kJournal;
  io::IoMode io = io::IoMode::kAuto;
  std::vector<std::string> slave_servers = {};  // addresses of a standby for the blocks
  bool slave_sync = true;                       // follow with it
  std::uint64_t failover_after_ns = 0;          // 0: not by itself
  session::MakeStandby make_standby = {};
  std::vector<std::string> servers =
      {};  // addresses of redis-protocol stores instead of directories
  // Of tlogservers that keep the log instead, and what talks to them.
  std::vector<std::string> log_servers = {};
  decltype(session::EngineOptions::open_remote_log) open_remote_log = {};
  config::LagLimit lag = {};        // of what is not stored
  config::LagLimit slave_lag = {};  // of what is not on the standby
};

class EngineRig {
 public:
  // The key is made at the first construction for a directory.
  explicit EngineRig(EngineRigOptions options, io::FileSystem& files = io::system_files(),
                     Logger& logger = null_logger());
  ~EngineRig();

  config::Config configuration() const;
  // load, prepare, start; open "vm1" for writing.
  Status try_start();
  // Before start(): `tlogctl takeover` of this rig's host.
  Result<session::TakeoverReport> take_over(const session::TakeoverOptions& options = {});
  void start();
  void stop(std::uint64_t budget_ns = 20'000'000'000);
  bool running() const { return engine_ != nullptr; }
  session::Vdisk& vdisk() { return *vdisk_; }
  session::Engine& engine() { return *engine_; }
  const EngineRigOptions& options() const { return options_; }

 private:
  session::Environment environment() const;

  const EngineRigOptions options_;
  io::FileSystem& files_;
  Logger& logger_;
  std::unique_ptr<session::Engine> engine_;
  std::shared_ptr<session::Vdisk> vdisk_;
};

// The bytes that a vdisk should have, beside one that has them.
class ShadowDisk {
 public:
  explicit ShadowDisk(std::uint64_t size) : bytes_(size) {}
  // One random operation on both; the error of the vdisk's, after which the two may differ in that
  // range.
  Status random_step(session::Vdisk& vdisk, std::uint64_t random, bool fua = false);
  // Every byte equal; a message names the first that is not.
  ::std::string difference(session::Vdisk& vdisk) const;
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace tlog::testing
