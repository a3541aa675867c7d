// GrpcServer: Contents for others, over gRPC: `vac.cas.CAS`, `vac.cas.NS` and the latter's other
// name, `vac.ns.NS` (docs/faces.md, "REMOTE-LOG").
//
// Who may do what: on a Unix socket (mode 0600) everybody who can connect may do everything. On TCP
// with a token who has it may, and nobody else; without one everybody may read and nobody write.
//
// Threading: start(), read_credentials_again(), stop() and the destructor from one thread. The
// contents are asked by threads of the server's own, several at a time.
//
// Errors: of start(): an address that cannot be listened on, or that everybody could reach without
// TLS, token or --insecure; of start() and read_credentials_again(): credentials that cannot be
// read. A call's error becomes its status (status_codes.h) with the message.
#pragma once

#include <memory>
#include <string>

#include "gateways/cas/contents.h"
#include "tlog/base/log.h"
#include "tlog/io/file.h"

namespace tlog::cas {

struct GrpcServerOptions {
  unsigned connections_max = 256;           // what comes beyond is closed
  unsigned streams_max = 32;                // calls at once on a connection; others wait
  unsigned threads = 8;                     // that ask the contents
  std::uint64_t memory_max = 256 * kMiB;    // of contents that are asked for or answered
  std::uint64_t call_ns = 120'000'000'000;  // the longest that a call may take; slow readers too
  unsigned handshake_seconds = 10;          // until HTTP/2 is spoken
  unsigned idle_seconds = 300;              // of a connection without calls
  std::string certificate_file = {};        // PEM; "": no TLS
  std::string key_file = {};                // PEM, of the certificate; mode 0600
  std::string token_file = {};              // "" or "none": none; else as gateways/http/token.h
  bool insecure = false;  // an address that is not loopback needs neither TLS nor a token
  io::FileSystem* files = &io::system_files();
};

class GrpcServer {
 public:
  // `address`: "host:port" (port 0: any that is free; no host: loopback) or "unix:/path", where
  // neither TLS nor a token is asked for. The contents and the logger outlive the server.
  static Result<std::unique_ptr<GrpcServer>> start(const std::string& address,
                                                   const GrpcServerOptions& options,
                                                   Contents& contents, Logger& logger);
  virtual ~GrpcServer() = default;                 // stop(0)
  virtual const std::string& address() const = 0;  // with the real port
  // Certificate, key and token are those that their files have now, for who connects from here on;
  // with TLS those that are connected are told to connect again. What cannot be read changes
  // nothing.
  virtual Status read_credentials_again() = 0;
  // Takes no more calls, waits for those under way for at most `grace_ns`, cancels what is left
  // and ends all connections. Nothing asks the contents afterwards.
  virtual void stop(std::uint64_t grace_ns) = 0;
};

}  // namespace tlog::cas
