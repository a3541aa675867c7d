#include "server/protocol/message.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::protocol {
namespace {

struct Name {
  std::string_view operator()(const Hello&) const { return "Hello"; }
  std::string_view operator()(const Welcome&) const { return "Welcome"; }
  std::string_view operator()(const Refusal&) const { return "Refusal"; }
  std::string_view operator()(const Attach&) const { return "Attach"; }
  std::string_view operator()(const Attached&) const { return "Attached"; }
  std::string_view operator()(const Progress&) const { return "Progress"; }
  std::string_view operator()(const ForceFlush&) const { return "ForceFlush"; }
  std::string_view operator()(const WaitSlaveSync&) const { return "WaitSlaveSync"; }
  std::string_view operator()(const StatusRequest&) const { return "StatusRequest"; }
  std::string_view operator()(const ReadLog&) const { return "ReadLog"; }
  std::string_view operator()(const Reply&) const { return "Reply"; }
  std::string_view operator()(const Echo&) const { return "Echo"; }
  std::string_view operator()(const Disconnect&) const { return "Disconnect"; }
};

}  // namespace

std::string_view message_name(const Message& message) {
  return std::visit(Name{}, message);
}

Result<Message> decode_and_wipe(ByteSpan body) {
  auto message = decode(body);
  wipe(body);
  return message;
}

Result<std::uint16_t> choose_version(const Hello& hello) {
  const std::uint16_t version = std::min(hello.version_max, kVersion);
  if (version < std::max(hello.version_min, kVersionMin)) {
    return fail(Code::kNotSupported,
                fmt::format("handshake: the client speaks versions {} to {} of the protocol, the "
                            "server {} to {}; upgrade the older of them",
                            hello.version_min, hello.version_max, kVersionMin, kVersion));
  }
  return version;
}

}  // namespace tlog::protocol
