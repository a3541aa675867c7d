#include "server/program/cas_serving.h"

#include <fmt/format.h>

#include "gateways/cas/directory_contents.h"

namespace tlog::program {

Result<std::unique_ptr<CasServing>> CasServing::start(const Arguments& arguments,
                                                      const config::Cas& cas,
                                                      const CasParts& parts) {
  if (cas.directory.empty()) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("--grpc: {} has no place for contents; add cas: {{directory: DIRECTORY}}",
                    arguments.config));
  }
  std::unique_ptr<CasServing> serving(new CasServing);
  auto opened = cas::open_directory_contents(*parts.files, cas.directory);
  if (!opened) return fail(opened.error().within("--grpc"));
  serving->contents_ = std::move(*opened);
  cas::GrpcServerOptions options;
  options.certificate_file = arguments.tls_cert;
  options.key_file = arguments.tls_key;
  options.token_file = arguments.token_file;
  options.insecure = arguments.insecure;
  options.files = parts.files;
  auto started =
      cas::GrpcServer::start(arguments.grpc_address, options, *serving->contents_, *parts.logger);
  if (!started) return fail(started.error().within("--grpc"));
  serving->grpc_ = std::move(*started);
  return serving;
}

}  // namespace tlog::program
