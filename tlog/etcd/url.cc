#include "tlog/etcd/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tlog::etcd {
namespace {

constexpr std::string_view kPlain = "etcd://";
constexpr std::string_view kSecure = "etcds://";
constexpr std::size_t kEndpointsMax = 16;
constexpr std::size_t kUrlMax = 2048;

tl::unexpected<Error> bad(std::string_view text, std::string_view reason) {
  return fail(Code::kInvalidArgument,
              fmt::format("{}: {}; expected etcd://HOST:PORT[,HOST:PORT]/KEY, or etcds:// with "
                          "?ca=FILE",
                          text.substr(0, 200), reason));
}

bool is_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
  });
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto number = std::from_chars(text.data() + colon + 1, end, port);
  return is_plain && number.ec == std::errc() && number.ptr == end && port > 0 && port < 65536;
}

}  // namespace

bool is_url(std::string_view text) {
  return text.starts_with(kPlain) || text.starts_with(kSecure);
}

Result<Url> parse_url(std::string_view text) {
  if (!is_url(text)) return bad(text, "not the address of a key in etcd");
  if (text.size() > kUrlMax) return bad(text, "too long");
  const bool is_secure = text.starts_with(kSecure);
  std::string_view rest = text.substr((is_secure ? kSecure : kPlain).size());
  Url url;
  url.text = text;
  if (const std::size_t query = rest.find('?'); query != std::string_view::npos) {
    constexpr std::string_view kCa = "ca=";
    const std::string_view option = rest.substr(query + 1);
    if (!is_secure || !option.starts_with(kCa) || option.size() == kCa.size() ||
        option[kCa.size()] != '/') {
      return bad(text, "an unknown option after '?'");
    }
    url.ca_file = option.substr(kCa.size());
    rest = rest.substr(0, query);
  }
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash + 1 == rest.size()) return bad(text, "has no key");
  url.key = rest.substr(slash + 1);
  std::string_view hosts = rest.substr(0, slash);
  while (true) {
    const std::size_t comma = std::min(hosts.find(','), hosts.size());
    const std::string_view host = hosts.substr(0, comma);
    if (!is_endpoint(host)) return bad(text, fmt::format("'{}' is not HOST:PORT", host));
    if (url.endpoints.size() == kEndpointsMax) return bad(text, "too many hosts");
    url.endpoints.push_back(fmt::format("{}://{}", is_secure ? "https" : "http", host));
    if (comma == hosts.size()) return url;
    hosts.remove_prefix(comma + 1);
  }
}

}  // namespace tlog::etcd
