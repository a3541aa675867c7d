// The configuration of a tlogserver's vdisks: read once, at the start.
//
// Threading: at the start, one thread.
// Errors: name --config or --with-slave-sync and the remedy.
#pragma once

#include <optional>

#include "server/program/arguments.h"
#include "tlog/base/log.h"
#include "tlog/config/config.h"

namespace tlog::program {

// Nothing without --config. A file, or etcd://HOST:PORT[,HOST:PORT]/KEY; the ancestor's dial
// strings alone do not say which key, and are refused with that.
Result<std::optional<config::Config>> load_config(const Arguments& arguments, io::FileSystem& files,
                                                  Logger& logger);

// --with-slave-sync is refused when a vdisk asks for a standby, because no server keeps one yet:
// whoever relies on it has to know.
Status check_slave_sync(const Arguments& arguments, const std::optional<config::Config>& config,
                        Logger& logger);

}  // namespace tlog::program
