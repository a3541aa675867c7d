// What the API says, in JSON, and what it is told.
// Threading: pure functions. Errors: kInvalidArgument for what a client has sent, with the reason.
#pragma once

#include <string>
#include <string_view>

#include "gateways/messages/message_log.h"

namespace tlog::messages {

struct PostedMessage {
  std::string text;
  unsigned w = 0;
};
// {"message": TEXT, "w": 1 ... nodes}; w absent: all nodes.
Result<PostedMessage> read_posted(std::string_view body, unsigned nodes);
// {"message": TEXT}
Result<std::string> read_echoed(std::string_view body);

// A message may hold any bytes, from other clients of the log: what is no UTF-8 is replaced.
std::string json_quoted(std::string_view text);
std::string time_text(TimestampNs time);  // RFC 3339, UTC
std::string message_json(const Message& message);
std::string appended_json(Sequence id, std::string_view text);
std::string error_json(std::string_view reason);
std::string health_json(const LogHealth& health, const std::string& server_id,
                        const std::string& log);
std::string_view role_name(Role role);

}  // namespace tlog::messages
