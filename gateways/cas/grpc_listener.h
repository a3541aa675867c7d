// GrpcListener: the services of a GrpcServer with one certificate: what speaks with the connections
// that it is handed. A new certificate needs a new one, since the library takes it once.
//
// Threading: take() from one thread; stop() from any, once, when nothing is handed over any more.
// Errors: the library does not start.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gateways/cas/grpc_front.h"
#include "gateways/cas/grpc_service.h"

namespace grpc {
class ServerCredentials;
}

namespace tlog::cas {

class GrpcListener {
 public:
  // `front` is borrowed; `address` is for people.
  static Result<std::unique_ptr<GrpcListener>> start(
      Front& front, const GrpcServerOptions& options,
      const std::shared_ptr<grpc::ServerCredentials>& credentials, const std::string& address);
  virtual ~GrpcListener() = default;

  virtual void take(int descriptor) = 0;  // a connection, which it owns from then on
  // Tells its connections to go elsewhere, waits for calls under way for at most so long and
  // cancels what is left.
  virtual void stop(std::uint64_t grace_ns) = 0;
};

}  // namespace tlog::cas
