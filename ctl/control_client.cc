#include "ctl/control_client.h"

#include "ctl/control_socket.h"

namespace tlog::control {

Result<Reply> ask(const std::string& path, const Request& request, std::uint64_t timeout_ms) {
  TLOG_ASSIGN(Descriptor descriptor, connect_unix(path));
  std::uint64_t deadline_ms = monotonic_ms() + timeout_ms;
  auto sent = send_all(descriptor.number(), encode_request(request), deadline_ms);
  // A server without room for us answers and hangs up before it has read what we ask.
  std::string buffer;
  auto line = receive_line(descriptor.number(), buffer, kReplyBytesMax, deadline_ms);
  if (!line) {
    if (!sent) return fail(sent.error().within(path));
    // Not "no such socket": somebody listened, and went away.
    if (line.error().code() == Code::kNotFound) {
      return fail(Code::kIoError,
                  "control: " + path + ": the server closed the connection without an answer");
    }
    return fail(line.error().within(path));
  }
  return decode_reply(*line);
}

}  // namespace tlog::control
