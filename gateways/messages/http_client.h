// HttpClient: what tlogctl asks a node of a log of messages, over one connection that is kept.
// libcurl is behind it.
//
// Threading: one thread. Errors: kUnavailable: no answer, with the reason; kInvalidArgument for
// what is no http:// or https:// address.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tlog/base/result.h"

namespace tlog::messages {

struct ClientPlace {
  std::string url;         // "http://host:port", without a path
  std::string token_file;  // "": none is sent
  std::string ca_file;     // "": the system's authorities
};

struct ClientReply {
  unsigned status = 0;
  std::string body;
};

class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> open(const ClientPlace& place);
  virtual ~HttpClient() = default;
  // `body`: null: GET. `timeout_ns` 0: for ever.
  virtual Result<ClientReply> ask(const std::string& path, const std::string* body,
                                  std::uint64_t timeout_ns) = 0;
};

}  // namespace tlog::messages
