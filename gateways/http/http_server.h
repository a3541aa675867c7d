// HttpServer: what the gateways serve HTTP with: HTTP/1.1 with keep-alive, chunked or not, also
// over TLS, one thread per connection. libmicrohttpd is behind it.
//
// It answers by itself: 400 to what is malformed, 401 without the token, 413 to a body that is too
// long, 431 to headers that are, 500 to an exchange that throws, 503 while it stops. What is beyond
// the limits of connections is closed.
//
// Threading: start(), stop() and the destructor from one thread; handlers as http/exchange.h says.
// Errors: an address that cannot be listened on, or that everybody could reach without TLS, token
// or --insecure; credentials that cannot be read.
#pragma once

#include <memory>
#include <string>

#include "gateways/http/exchange.h"
#include "tlog/io/file.h"

namespace tlog::gateway {

struct HttpServerOptions {
  unsigned connections_max = 256;
  unsigned per_address_max = 128;
  unsigned idle_seconds = 30;                 // of silence, also in the middle of a request
  std::uint64_t body_bytes_max = 64 * kMiB;   // longer: 413
  std::size_t connection_memory = 64 * 1024;  // request line, headers and a piece of the body
  std::string certificate_file = {};          // PEM; "": no TLS
  std::string key_file = {};                  // PEM, of the certificate; mode 0600
  // A file with one line, mode 0600; requests carry it as `Authorization: Bearer ...`. "" or
  // "none": no token is asked for.
  std::string token_file = {};
  bool insecure = false;  // an address that is not loopback needs neither TLS nor a token
  HttpRefusal refusal = &text_answer;
  io::FileSystem* files = &io::system_files();
};

class HttpServer {
 public:
  // `address`: "host:port"; a port of 0 is any that is free; without a host it is loopback.
  static Result<std::unique_ptr<HttpServer>> start(const std::string& address,
                                                   const HttpServerOptions& options,
                                                   HttpHandler handler);
  virtual ~HttpServer() = default;                 // stop(0)
  virtual const std::string& address() const = 0;  // with the real port
  virtual bool is_tls() const = 0;
  std::string url() const { return (is_tls() ? "https://" : "http://") + address(); }
  // Reads certificate, key and token again. Connections that come from now on have the new
  // certificate, those that are there keep theirs; requests that come from now on need the new
  // token. An error: one of the files cannot be used, and all is as before. From the thread of
  // start().
  virtual Status read_credentials_again() = 0;
  // Takes no more connections, waits for the requests under way for at most `grace_ns`, cancels
  // what is left and ends all connections. Nothing calls the handler afterwards.
  virtual void stop(std::uint64_t grace_ns) = 0;
};

}  // namespace tlog::gateway
