// LogsetServing: what --logset offers: the repositories of the configuration.
// Threading: start(), stop() and the destructor from one thread; status() from any, it waits for
// nothing. Errors: a directory or an address that cannot be had, naming the repository.
#pragma once

#include <memory>

#include "gateways/http/http_server.h"
#include "gateways/logset/lookout.h"
#include "server/program/arguments.h"
#include "server/program/vdisk_stores.h"
#include "server/serve/repository_status.h"
#include "tlog/base/log.h"
#include "tlog/config/config.h"

namespace tlog::program {

struct LogsetParts {  // borrowed
  io::FileSystem* files = nullptr;
  Logger* logger = nullptr;
  VdiskStores* stores = nullptr;  // of vdisks that are published
};

class LogsetServing {
 public:
  static Result<std::unique_ptr<LogsetServing>> start(const Arguments& arguments,
                                                      const std::vector<config::Repo>& repos,
                                                      const LogsetParts& parts);
  ~LogsetServing();
  std::string url() const { return http_->url(); }
  std::vector<server::RepositoryStatus> status() const;
  Status read_credentials_again() { return http_->read_credentials_again(); }
  // Takes no more requests, and gives those that are under way so long.
  void stop(std::uint64_t grace_ns);

 private:
  LogsetServing() = default;
  Status open(const std::vector<config::Repo>& repos, const LogsetParts& parts);

  std::vector<config::Repo> repos_;
  logset::Repositories repositories_;
  logset::Lookout lookout_;
  std::unique_ptr<gateway::HttpServer> http_;  // goes first: it asks the repositories
};

}  // namespace tlog::program
