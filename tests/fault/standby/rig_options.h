// The engine that the tests of a standby run: a 2+1 log, the blocks, and a standby of them, each on
// redis-servers.
#pragma once

#include "tests/support/engine_rig.h"

namespace tlog::standby {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kDiskSize = 4 * kMiB;
constexpr std::uint64_t kBlockSize = 4096;

struct RigServers {  // addresses
  std::vector<std::string> log;
  std::vector<std::string> primary;
  std::vector<std::string> standby;
};

inline tlog::testing::EngineRigOptions rig_options(const std::string& directory,
                                                   const RigServers& servers) {
  tlog::testing::EngineRigOptions options;
  options.directory = directory;
  options.vdisk_size = kDiskSize;
  options.data_shards = 2;
  options.parity_shards = 1;
  options.servers = servers.log;
  options.block_servers = servers.primary;
  options.slave_servers = servers.standby;
  options.flush_time_ns = 100'000'000;
  options.block_timeout_ns = 500'000'000;
  options.stall_timeout_ns = 20 * kSecondNs;
  return options;
}

}  // namespace tlog::standby
