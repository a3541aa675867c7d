// Contents of another service, over gRPC: a tlogserver with --grpc, or anybody's that has
// `vac.cas.CAS` and `vac.cas.NS`.
//
// What comes is not trusted: a content has to be that of its address, as far as the address can
// tell; and an address that is answered, that of the content. A service may have addresses of
// another kind: they are taken as they are.
//
// Threading: any thread; several calls at once, over one connection.
// Durability: what the other side promises.
// Errors: of a call: as in contents.h, with the service's words: kNotSupported when it wants a
// token or does not know the call, kUnavailable when it cannot be reached, kTimeout, kNoSpace. Of
// make_grpc_contents(): files that cannot be read. Whether the service is there shows at the first
// call.
#pragma once

#include <memory>

#include "gateways/cas/contents.h"
#include "tlog/io/file.h"

namespace tlog::cas {

struct GrpcContentsOptions {
  std::string target = {};                 // "host:port" or "unix:/path"
  bool tls = false;                        // with the system's authorities
  std::string ca_file = {};                // PEM: TLS with this authority
  std::string server_name = {};            // expected in its certificate; "": the target's host
  std::string token_file = {};             // as gateways/http/token.h; "" or "none": none
  std::uint64_t call_ns = 60'000'000'000;  // the longest that a call may take
  io::FileSystem* files = &io::system_files();
};

Result<std::unique_ptr<Contents>> make_grpc_contents(const GrpcContentsOptions& options);

}  // namespace tlog::cas
