// The HTTP API of logs of messages (docs/faces.md, "Messages"): requests into calls of MessageLog,
// and what they say into JSON.
//
// Threading: handle() is called by many connections at once, each on a thread of its own, which a
// message that waits for its nodes blocks.
// Errors: answers, each with {"error": reason}.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateways/http/exchange.h"
#include "gateways/messages/message_log.h"
#include "tlog/base/clock.h"

namespace tlog::messages {

// {"error": reason}; also for what the server refuses before a request comes here.
gateway::HttpAnswer refusal(unsigned status, std::string_view reason);

class Api {
 public:
  struct Options {
    std::string server_id;
    const Clock* clock = &system_clock();
  };
  // The logs are borrowed; the first is the one of the short paths. At least one.
  Api(Options options, std::vector<MessageLog*> logs)
      : options_(std::move(options)), logs_(std::move(logs)) {}

  std::unique_ptr<gateway::HttpExchange> handle(const gateway::HttpRequest& request) const;

 private:
  struct Place {
    MessageLog* log = nullptr;
    std::string what;  // "messages", "health"
  };
  Place place_of(const std::string& path) const;
  std::unique_ptr<gateway::HttpExchange> messages(const gateway::HttpRequest& request,
                                                  MessageLog& log) const;
  gateway::HttpAnswer list(const gateway::HttpRequest& request, MessageLog& log) const;

  const Options options_;
  const std::vector<MessageLog*> logs_;
};

}  // namespace tlog::messages
