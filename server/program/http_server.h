// HttpServer: shows texts over HTTP, for monitors and people: GET and HEAD only, no body is read,
// nothing can be changed by it. Bounded in connections, memory and time: who is slow or silent
// makes room for who comes. libmicrohttpd is behind it.
//
// Threading: start() and the destructor from one thread; `answer` is called on the server's own
// thread, one call at a time.
// Errors: an address that cannot be listened on.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tlog/base/result.h"

namespace tlog::program {

struct HttpAnswer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body = {};
};

class HttpServer {
 public:
  using Answer = std::function<HttpAnswer(const std::string& path)>;
  // `address`: "host:port"; a port of 0 is any that is free.
  static Result<std::unique_ptr<HttpServer>> start(const std::string& address, Answer answer);
  virtual ~HttpServer() = default;                 // ends what is under way
  virtual const std::string& address() const = 0;  // with the real port
};

}  // namespace tlog::program
