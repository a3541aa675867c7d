#include "server/net/foreign_bytes.h"

#include <algorithm>
#include <string_view>

namespace tlog::net {
namespace {

bool begins_with(ConstByteSpan bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin(),
                    [](char c, std::byte b) { return static_cast<std::byte>(c) == b; });
}

}  // namespace

std::string foreign_protocol(ConstByteSpan first_bytes) {
  // Records of a handshake or an alert, versions 3.x.
  if (begins_with(first_bytes, "\x16\x03") || begins_with(first_bytes, "\x15\x03")) {
    return "the peer speaks TLS and this side does not; give both sides TLS, or neither";
  }
  for (std::string_view method : {"GET ", "HEAD ", "POST ", "PUT ", "OPTIONS "}) {
    if (begins_with(first_bytes, method)) {
      return "the peer speaks HTTP; this is the port of the log's protocol";
    }
  }
  if (begins_with(first_bytes, "NBDMAGIC")) {
    return "the peer speaks NBD; this is not the address of a tlogserver";
  }
  if (begins_with(first_bytes, "-ERR") || begins_with(first_bytes, "*")) {
    return "the peer speaks the redis protocol; this is not the address of a tlogserver";
  }
  return "";
}

bool looks_like_tls(ConstByteSpan first_bytes) {
  constexpr std::byte kContentMin{20};  // of the record types: 20 to 23
  constexpr std::byte kContentMax{23};
  constexpr std::byte kMajor{3};
  if (first_bytes.empty() || first_bytes[0] < kContentMin || first_bytes[0] > kContentMax) {
    return false;
  }
  return first_bytes.size() < 2 || first_bytes[1] == kMajor;
}

bool is_plain_frame(ConstByteSpan first_bytes) {
  return begins_with(first_bytes, "tlg1");
}

}  // namespace tlog::net
