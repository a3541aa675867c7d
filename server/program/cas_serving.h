// What the configuration's `cas` comes to in this server: the contents of its directory, the vdisks
// that it publishes, and --grpc, which serves both.
// Threading: one thread, but publications(), any; contents() as gateways/cas/contents.h says.
// Errors: a directory or an address that cannot be had.
#pragma once

#include <memory>

#include "gateways/cas/contents.h"
#include "gateways/cas/grpc_service.h"
#include "gateways/cas/published_view.h"
#include "server/program/arguments.h"
#include "server/program/publications.h"
#include "server/program/vdisk_stores.h"
#include "tlog/base/log.h"
#include "tlog/config/config.h"

namespace tlog::program {

struct CasParts {  // borrowed
  io::FileSystem* files = nullptr;
  Logger* logger = nullptr;
  VdiskStores* stores = nullptr;  // of vdisks that are published
};

class CasServing {
 public:
  static Result<std::unique_ptr<CasServing>> start(const Arguments& arguments,
                                                   const config::Cas& cas, const CasParts& parts);
  ~CasServing();  // stop(0)
  CasServing(const CasServing&) = delete;
  CasServing& operator=(const CasServing&) = delete;

  Status read_credentials_again() { return grpc_ ? grpc_->read_credentials_again() : Status(); }
  // Calls that are under way have so long.
  void stop(std::uint64_t grace_ns);

  std::string address() const { return grpc_ ? grpc_->address() : ""; }  // "": not served
  std::vector<server::PublicationStatus> publications() const;

 private:
  CasServing() = default;

  Status open(const Arguments& arguments, const config::Cas& cas, const CasParts& parts);
  Status serve(const Arguments& arguments, const CasParts& parts);

  // In this order: each asks those before it; but what is served is also read from the
  // publications.
  std::unique_ptr<cas::Contents> contents_;
  std::unique_ptr<cas::PublishedView> view_;
  mutable Mutex mutex_;
  std::unique_ptr<Publications> publications_ GUARDED_BY(mutex_);
  std::unique_ptr<cas::GrpcServer> grpc_;
};

}  // namespace tlog::program
