// One HTTP request to a logset server, its bodies streamed both ways. libcurl is behind it.
//
// Threading: any thread, one request each. It ends by itself: a server that neither takes nor gives
// a byte for 60 s is given up.
// Errors: kUnavailable for a server that cannot be reached or breaks off, naming it; kFenced (403),
// kInvalidArgument (400 and other 4xx), kUnavailable (5xx) with what the server said; what the
// callbacks failed with.
#pragma once

#include <functional>
#include <string>

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
  std::string body = {};                                   // of a POST; or
  std::function<Result<std::size_t>(ByteSpan)> fill = {};  // chunked; 0: the end
  std::function<Status(ConstByteSpan)> take = {};          // the answer's body
};

Status transfer(const SiteAccess& site, const TransferRequest& request);

}  // namespace tlog::logset
