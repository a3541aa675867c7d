// The configuration of a tlogserver's vdisks: read once, at the start.
//
// Threading: at the start, one thread.
// Errors: name --config or --with-slave-sync and the remedy.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/program/arguments.h"
#include "server/standby/standbys.h"
#include "tlog/base/log.h"
#include "tlog/config/config.h"
#include "tlog/store/stores.h"

namespace tlog::program {

// Nothing without --config. A file, or etcd://HOST:PORT[,HOST:PORT]/KEY; the ancestor's dial
// strings alone do not say which key, and are refused with that.
Result<std::optional<config::Config>> load_config(const Arguments& arguments, io::FileSystem& files,
                                                  Logger& logger);

using server::StandbyServers;

// With --with-slave-sync: by vdisk, the servers of the standby that the configuration has it keep
// (slaveStorage, and slaveSync: true), their passwords read. Nothing, and a warning, when there is
// no such vdisk.
Result<StandbyServers> standby_servers(const Arguments& arguments,
                                       const std::optional<config::Config>& config,
                                       io::FileSystem& files, Logger& logger);

}  // namespace tlog::program
