// A client of HTTP for tests: one request on a connection of its own, exactly as it is written.
// Threading: any thread. Errors: std::runtime_error.
#pragma once

#include <string>

namespace tlog::testing {

struct HttpReply {
  int status = 0;  // 0: the connection ended without an answer
  std::string head;
  std::string body;
};
// Waits for the end of the connection, for at most 10 s of silence.
HttpReply ask(const std::string& address, const std::string& request);
HttpReply http_get(const std::string& address, const std::string& path);

}  // namespace tlog::testing
