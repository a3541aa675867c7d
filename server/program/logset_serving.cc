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

// What is wrong with one repository is no reason not to serve the others; a wrong configuration
// is.
bool is_of_its_contents(const Error& error) {
  return error.code() == Code::kCorruption || error.code() == Code::kFenced ||
         error.code() == Code::kIoError;
}

std::string_view kind_of(const config::Repo& repo) {
  if (!repo.vdisk.empty()) return "vdisk";
  return repo.copy.empty() ? "logs" : "copy";
}

server::RepositoryStatus status_of(const config::Repo& repo, const logset::TrafficStatus& traffic) {
  server::RepositoryStatus status{.name = repo.name,
                                  .kind = std::string(kind_of(repo)),
                                  .vdisk = repo.vdisk,
                                  .logs = traffic.logs,
                                  .bytes = traffic.bytes,
                                  .looked_ns = traffic.looked_ns,
                                  .error = traffic.error,
                                  .pushed_bytes = traffic.pushed_bytes,
                                  .pushed_ns = traffic.pushed_ns,
                                  .pullers = {}};
  for (const logset::PullerStatus& puller : traffic.pullers) {
    status.pullers.push_back({.peer = puller.peer,
                              .target = puller.target,
                              .behind_bytes = puller.behind_bytes,
                              .behind_ns = puller.behind_ns,
                              .pulled_ns = puller.pulled_ns});
  }
  return status;
}

}  // namespace

LogsetServing::~LogsetServing() {
  http_.reset();
}

Status LogsetServing::open(const std::vector<config::Repo>& repos, const LogsetParts& parts) {
  repos_ = repos;
  for (const config::Repo& repo : repos) {
    auto opened = open_repository(repo, parts);
    if (!opened) {
      const Error why = opened.error().within("--logset: repos." + repo.name);
      if (!is_of_its_contents(why)) return fail(why);
      parts.logger->error(fmt::format(
          "event=repository_not_offered repo={} reason=\"{}\" consequence=\"requests for it are "
          "answered 500 until it is mended and the server started again; the others are served\"",
          repo.name, why.message()));
      opened = std::shared_ptr<logset::Repository>(logset::make_broken_repository(
          Error(why.code(), why.message() + "; then start the server again")));
    }
    const logset::Offered offered{.repository = std::move(*opened),
                                  .traffic = std::make_shared<logset::Traffic>(system_clock())};
    // Looking at a vdisk's is work for its stores, and waits until somebody asks for it.
    if (repo.vdisk.empty()) (void)offered.lengths();
    repositories_.emplace(repo.name, offered);
  }
  return {};
}

std::vector<server::RepositoryStatus> LogsetServing::status() const {
  std::vector<server::RepositoryStatus> all;
  for (const config::Repo& repo : repos_) {
    all.push_back(status_of(repo, repositories_.at(repo.name).traffic->status()));
  }
  return all;
}

void LogsetServing::stop(std::uint64_t grace_ns) {
  http_->stop(grace_ns);
  lookout_.stop();
}

Result<std::unique_ptr<LogsetServing>> LogsetServing::start(const Arguments& arguments,
                                                            const std::vector<config::Repo>& repos,
                                                            const LogsetParts& parts) {
  if (repos.empty()) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("--logset: {} has no repos; add repos: {{NAME: DIRECTORY}}", arguments.config));
  }
  std::unique_ptr<LogsetServing> serving(new LogsetServing());
  TLOG_TRY(serving->open(repos, parts));
  gateway::HttpServerOptions options;
  options.body_bytes_max = logset::kPushBytesMax;
  options.connection_memory = 256 * kKiB;
  options.certificate_file = arguments.tls_cert;
  options.key_file = arguments.tls_key;
  options.token_file = arguments.token_file;
  options.insecure = arguments.insecure;
  options.files = parts.files;
  auto http =
      gateway::HttpServer::start(arguments.logset_address, options,
                                 logset::make_handler(serving->repositories_, *parts.logger));
  if (!http) return fail(http.error().within("--logset"));
  serving->http_ = std::move(*http);
  serving->lookout_.start(serving->repositories_);
  return serving;
}

}  // namespace tlog::program
