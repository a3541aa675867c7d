#include "server/program/logset_serving.h"

#include <fmt/format.h>

#include "gateways/logset/copy_repository.h"
#include "gateways/logset/gateway.h"
#include "gateways/logset/plain_repository.h"
#include "gateways/logset/vdisk_repository.h"

namespace tlog::program {
namespace {

Result<std::shared_ptr<logset::Repository>> open_repository(const config::Repo& repo,
                                                            const LogsetParts& parts) {
  if (!repo.vdisk.empty()) {
    return std::shared_ptr<logset::Repository>(logset::make_vdisk_repository(
        {.vdisk = repo.vdisk, .open_stores = [stores = parts.stores, vdisk = repo.vdisk] {
           return stores->open(vdisk, VdiskStores::Use::kRead);
         }}));
  }
  TLOG_ASSIGN(auto opened, repo.copy.empty()
                               ? logset::open_plain_repository(*parts.files, repo.directory)
                               : logset::open_copy_repository(*parts.files, repo.copy));
  return std::shared_ptr<logset::Repository>(std::move(opened));
}

}  // namespace

Result<std::unique_ptr<gateway::HttpServer>> start_logset(const Arguments& arguments,
                                                          const std::vector<config::Repo>& repos,
                                                          const LogsetParts& parts) {
  if (repos.empty()) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("--logset: {} has no repos; add repos: {{NAME: DIRECTORY}}", arguments.config));
  }
  logset::Repositories repositories;
  for (const config::Repo& repo : repos) {
    auto opened = open_repository(repo, parts);
    if (!opened) return fail(opened.error().within("--logset: repos." + repo.name));
    repositories.emplace(repo.name, std::move(*opened));
  }
  gateway::HttpServerOptions options;
  options.body_bytes_max = logset::kPushBytesMax;
  options.connection_memory = 256 * kKiB;
  options.certificate_file = arguments.tls_cert;
  options.key_file = arguments.tls_key;
  options.token_file = arguments.token_file;
  options.insecure = arguments.insecure;
  options.files = parts.files;
  auto started =
      gateway::HttpServer::start(arguments.logset_address, options,
                                 logset::make_handler(std::move(repositories), *parts.logger));
  if (!started) return fail(started.error().within("--logset"));
  return started;
}

}  // namespace tlog::program
