// Standbys: keeps the standbys of those vdisks that have servers for one. Contract: SlaveSync.
// Threading: any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/serve/slave_sync.h"
#include "tlog/io/workers.h"
#include "tlog/store/stores.h"

namespace tlog::server {

// By vdisk: the servers of its standby, in their order.
using StandbyServers = std::map<std::string, std::vector<store::RespStoreOptions>, std::less<>>;

struct StandbysParts {  // borrowed
  io::Loop* loop = nullptr;
  io::Workers* workers = nullptr;
  Logger* logger = nullptr;
};
// follow(): kNotSupported for a vdisk that is not among them.
std::shared_ptr<SlaveSync> make_standbys(StandbyServers servers, StandbysParts parts);

}  // namespace tlog::server
