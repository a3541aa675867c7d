#include "server/program/cas_serving.h"

#include <fmt/format.h>

#include "gateways/cas/directory_contents.h"

namespace tlog::program {

Result<std::unique_ptr<CasServing>> CasServing::start(const Arguments& arguments,
                                                      const config::Cas& cas,
                                                      const CasParts& parts) {
  std::unique_ptr<CasServing> serving(new CasServing);
  if (!arguments.grpc_address.empty()) TLOG_TRY(serving->open(arguments, cas, parts));
  TLOG_ASSIGN(auto publications,
              Publications::start(cas.publish, {.files = parts.files,
                                                .logger = parts.logger,
                                                .stores = parts.stores,
                                                .contents = serving->contents_.get(),
                                                .view = serving->view_.get()}));
  {
    MutexLock lock(serving->mutex_);
    serving->publications_ = std::move(publications);
  }
  // Last: whoever asks before a vdisk's name is claimed would be told that its contents are not
  // there, and nobody may ask while a publication that could not be started is taken down again.
  if (serving->view_) TLOG_TRY(serving->serve(arguments, parts));
  return serving;
}

Status CasServing::open(const Arguments& arguments, const config::Cas& cas, const CasParts& parts) {
  if (cas.directory.empty()) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("--grpc: {} has no place for contents; add cas: {{directory: DIRECTORY}}",
                    arguments.config));
  }
  auto opened = cas::open_directory_contents(*parts.files, cas.directory);
  if (!opened) return fail(opened.error().within("--grpc"));
  contents_ = std::move(*opened);
  view_ = std::make_unique<cas::PublishedView>(*contents_);
  return {};
}

Status CasServing::serve(const Arguments& arguments, const CasParts& parts) {
  cas::GrpcServerOptions options;
  options.certificate_file = arguments.tls_cert;
  options.key_file = arguments.tls_key;
  options.token_file = arguments.token_file;
  options.insecure = arguments.insecure;
  options.files = parts.files;
  auto started = cas::GrpcServer::start(arguments.grpc_address, options, *view_, *parts.logger);
  if (!started) return fail(started.error().within("--grpc"));
  grpc_ = std::move(*started);
  return {};
}

CasServing::~CasServing() {
  stop(0);
}

void CasServing::stop(std::uint64_t grace_ns) {
  {
    // Calls may be waiting for a look at a log that has just begun.
    MutexLock lock(mutex_);
    if (publications_) publications_->tell_to_stop();
  }
  if (grpc_) grpc_->stop(grace_ns);  // what it answers is read from what is published
  std::unique_ptr<Publications> ending;
  {
    MutexLock lock(mutex_);
    ending = std::move(publications_);
  }
  // Without the lock: it waits for stores, whose loop may be asking for the status.
}

std::vector<server::PublicationStatus> CasServing::publications() const {
  MutexLock lock(mutex_);
  return publications_ ? publications_->status() : std::vector<server::PublicationStatus>();
}

}  // namespace tlog::program
