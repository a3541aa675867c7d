// What the configuration's `cas` comes to in this server: the contents of its directory, and
// --grpc, which serves them.
// Threading: one thread; contents() as gateways/cas/contents.h says.
// Errors: a directory or an address that cannot be had.
#pragma once

#include <memory>

#include "gateways/cas/contents.h"
#include "gateways/cas/grpc_service.h"
#include "server/program/arguments.h"
#include "tlog/base/log.h"
#include "tlog/config/config.h"

namespace tlog::program {

struct CasParts {  // borrowed
  io::FileSystem* files = nullptr;
  Logger* logger = nullptr;
};

class CasServing {
 public:
  static Result<std::unique_ptr<CasServing>> start(const Arguments& arguments,
                                                   const config::Cas& cas, const CasParts& parts);
  ~CasServing() = default;  // stop(0)
  CasServing(const CasServing&) = delete;
  CasServing& operator=(const CasServing&) = delete;

  // Calls that are under way have so long.
  void stop(std::uint64_t grace_ns) { grpc_->stop(grace_ns); }

  cas::Contents& contents() { return *contents_; }
  const std::string& address() const { return grpc_->address(); }

 private:
  CasServing() = default;

  std::unique_ptr<cas::Contents> contents_;
  std::unique_ptr<cas::GrpcServer> grpc_;  // asks the contents
};

}  // namespace tlog::program
