// Bodies of POST /messages and /echo, and what stands in an address. What is accepted keeps the
// limits, and says the same when it is written as JSON and read again.
#include "gateways/http/request.h"
#include "gateways/messages/json_text.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace tlog;

constexpr unsigned kNodes = 3;

void read_body(std::string_view body) {
  const auto posted = messages::read_posted(body, kNodes);
  const auto echoed = messages::read_echoed(body);
  if (!posted) return;
  TLOG_ASSERT(posted->w >= 1 && posted->w <= kNodes && !posted->text.empty());
  TLOG_ASSERT(echoed && *echoed == posted->text);
  const std::string again = messages::appended_json(7, posted->text);
  const auto back = messages::read_posted(again, kNodes);
  TLOG_ASSERT(back && back->text == posted->text && back->w == kNodes);
}

// Any bytes may be in a message that another client of the log has put there.
void write_text(std::string_view text) {
  const std::string line = messages::error_json(text);
  TLOG_ASSERT(line.find('\n') == line.size() - 1);
  const std::string quoted = messages::json_quoted(text);
  TLOG_ASSERT(messages::read_echoed("{\"message\":" + quoted + "}").has_value());
}

void read_address(std::string_view text) {
  for (const auto slash : {gateway::EncodedSlash::kTaken, gateway::EncodedSlash::kRefused}) {
    const auto decoded = gateway::percent_decode(text, slash);
    if (!decoded) continue;
    TLOG_ASSERT(decoded->size() <= text.size());
    for (const char c : *decoded) TLOG_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_body(text);
  write_text(text);
  read_address(text);
  return 0;
}
