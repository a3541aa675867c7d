#include "gateways/http/request.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <microhttpd.h>
#include <poll.h>
#include <strings.h>

#include <algorithm>
#include <charconv>

#include "tlog/base/hex.h"
#include "tlog/io/address.h"

namespace tlog::gateway {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

bool is_control(char c) {
  const auto value = static_cast<unsigned char>(c);
  return value < 0x20 || value == 0x7f;
}

MHD_Result take_header(void* into, MHD_ValueKind, const char* name, const char* value) {
  static_cast<Pairs*>(into)->emplace_back(name, value == nullptr ? "" : value);
  return MHD_YES;
}

std::string peer_of(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (info == nullptr || info->client_addr == nullptr) return "unknown";
  io::SocketAddress address;
  address.length =
      info->client_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  std::memcpy(&address.storage, info->client_addr, address.length);
  return io::address_text(address);
}

bool has_closed(int socket) {
  pollfd looked_at{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return ::poll(&looked_at, 1, 0) == 1 &&
         (looked_at.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::size_t count_of(const Pairs& headers, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(headers.begin(), headers.end(),
                    [&](const auto& pair) { return same_name(pair.first, name); }));
}

// Two ways to say where the body ends are a way to hide a request inside another.
Status read_length(HttpRequest& request) {
  const std::size_t lengths = count_of(request.headers, "Content-Length");
  const std::size_t codings = count_of(request.headers, "Transfer-Encoding");
  if (lengths + codings > 1) {
    return fail(Code::kInvalidArgument,
                "request: body: its length is given in more than one way; send Content-Length or "
                "Transfer-Encoding: chunked, once");
  }
  if (codings == 1 && !same_name(*request.header("Transfer-Encoding"), "chunked")) {
    return fail(Code::kInvalidArgument,
                "request: Transfer-Encoding: only chunked is known; leave others out");
  }
  if (lengths == 0) return {};
  const std::string& text = *request.header("Content-Length");
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return fail(Code::kInvalidArgument, "request: Content-Length: it is not a number");
  }
  request.content_length = value;
  return {};
}

const std::string* first_of(const Pairs& pairs, std::string_view name, bool with_case) {
  for (const auto& [key, value] : pairs) {
    if (with_case ? key == name : same_name(key, name)) return &value;
  }
  return nullptr;
}

}  // namespace

const std::string* HttpRequest::header(std::string_view name) const {
  return first_of(headers, name, false);
}

const std::string* HttpRequest::query_value(std::string_view name) const {
  return first_of(query, name, true);
}

Result<std::string> percent_decode(std::string_view text, EncodedSlash slash) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      std::byte value{};
      // At the end there may be fewer than two, which read_hex() refuses.
      if (!read_hex(text.substr(i + 1, 2), ByteSpan(&value, 1))) {
        return fail(Code::kInvalidArgument, "request: address: '%' needs two hex digits");
      }
      c = static_cast<char>(value);
      i += 2;
      if (c == '/' && slash == EncodedSlash::kRefused) {
        return fail(Code::kInvalidArgument, "request: path: a slash inside of a name");
      }
    }
    if (is_control(c)) {
      return fail(Code::kInvalidArgument, "request: address: a control character");
    }
    decoded.push_back(c);
  }
  return decoded;
}

Result<HttpRequest> read_request(MHD_Connection* connection, const char* path, const char* method) {
  HttpRequest request;
  request.method = method;
  TLOG_ASSIGN(request.path, percent_decode(path, EncodedSlash::kRefused));
  if (!request.path.starts_with('/')) {
    return fail(Code::kInvalidArgument, "request: path: it does not begin with a slash");
  }
  Pairs raw_query;
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &take_header, &raw_query);
  for (const auto& [name, value] : raw_query) {
    TLOG_ASSIGN(std::string decoded_name, percent_decode(name, EncodedSlash::kTaken));
    TLOG_ASSIGN(std::string decoded_value, percent_decode(value, EncodedSlash::kTaken));
    request.query.emplace_back(std::move(decoded_name), std::move(decoded_value));
  }
  MHD_get_connection_values(connection, MHD_HEADER_KIND, &take_header, &request.headers);
  TLOG_TRY(read_length(request));
  request.peer = peer_of(connection);
  const MHD_ConnectionInfo* socket =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (socket != nullptr) {
    request.peer_closed = [descriptor = socket->connect_fd] { return has_closed(descriptor); };
  }
  return request;
}

}  // namespace tlog::gateway
