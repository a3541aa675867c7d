// What --logset offers: the repositories of the configuration.
// Threading: one thread.
// Errors: a directory or an address that cannot be had, naming the repository.
#pragma once

#include <memory>

#include "gateways/http/http_server.h"
#include "server/program/arguments.h"
#include "server/program/vdisk_stores.h"
#include "tlog/base/log.h"
#include "tlog/config/config.h"

namespace tlog::program {

struct LogsetParts {  // borrowed
  io::FileSystem* files = nullptr;
  Logger* logger = nullptr;
  VdiskStores* stores = nullptr;  // of vdisks that are published
};

Result<std::unique_ptr<gateway::HttpServer>> start_logset(const Arguments& arguments,
                                                          const std::vector<config::Repo>& repos,
                                                          const LogsetParts& parts);

}  // namespace tlog::program
