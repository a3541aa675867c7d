// HTTP requests to a logset server, one after the other over one connection, their bodies streamed
// both ways. libcurl is behind it.
//
// Threading: one thread each. A request ends by itself: a server that neither takes nor gives a
// byte for 60 s is given up.
// Errors: kUnavailable for a server that cannot be reached or breaks off, naming it; kFenced (403),
// kInvalidArgument (400 and other 4xx), kUnavailable (5xx) with what the server said; what the
// callbacks failed with.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::logset {

struct SiteAccess {
  std::string url;                // of the repository, "http://host:port/name"
  std::string ca_file = {};       // "": the system's authorities
  std::string token_header = {};  // "Authorization: Bearer ..."; "": none
};

struct TransferRequest {
  std::string endpoint;  // "offsets", "pull", "push"
  bool post = false;
  std::string header = {};                         // one more, "": none
  std::string body = {};                           // of a POST; or, in order:
  std::vector<ConstByteSpan> parts = {};           // borrowed
  std::function<Status(ConstByteSpan)> take = {};  // the answer's body
};

class SiteConnection {
 public:
  explicit SiteConnection(SiteAccess site);
  ~SiteConnection();
  SiteConnection(const SiteConnection&) = delete;
  SiteConnection& operator=(const SiteConnection&) = delete;

  Status transfer(const TransferRequest& request);

 private:
  struct Handle;
  const SiteAccess site_;
  const std::unique_ptr<Handle> handle_;
};

}  // namespace tlog::logset
