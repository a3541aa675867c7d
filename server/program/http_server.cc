#include "server/program/http_server.h"

#include <fmt/format.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <list>
#include <string_view>

#include "server/program/storage_addresses.h"
#include "tlog/io/address.h"

namespace tlog::program {
namespace {

// From then on the one that has been there for longest makes room for a new one: of the same
// address, or of all. Each is closed when it has been answered, which takes no time.
constexpr std::size_t kOfOneAddressMax = 16;
constexpr std::size_t kOfAllMax = 64;
// What libmicrohttpd takes at once, with those that have been ended and not been looked at yet.
constexpr unsigned kConnectionsMax = 256;
constexpr unsigned kIdleSecondsMax = 10;
// Of a connection: request line, headers and the beginning of the answer.
constexpr std::size_t kConnectionMemory = 16 * 1024;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> resolve(const std::string& address) {
  TLOG_ASSIGN(const HostPort split, split_host_port(address));
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const char* host = split.host.empty() ? nullptr : split.host.c_str();
  const int error = ::getaddrinfo(host, split.port.c_str(), &hints, &found);
  if (error != 0) {
    return fail(Code::kInvalidArgument,
                fmt::format("listen: {}: {}", address, ::gai_strerror(error)));
  }
  return Addresses(found);
}

// What libmicrohttpd says is the reason for which it could not start.
void note_reason(void* reason, const char* format, va_list arguments) {
  char text[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  std::vsnprintf(text, sizeof text, format, arguments);
#pragma GCC diagnostic pop
  std::string_view line(text);
  while (line.ends_with('\n')) line.remove_suffix(1);
  *static_cast<std::string*>(reason) = line;
}

bool add_headers(MHD_Response* response, const HttpAnswer& answer) {
  const auto add = [&](const char* name, const char* value) {
    return MHD_add_response_header(response, name, value) == MHD_YES;
  };
  return add("Content-Type", answer.type.c_str()) && add("Cache-Control", "no-store") &&
         add("X-Content-Type-Options", "nosniff") &&
         add("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'") &&
         (answer.status != MHD_HTTP_METHOD_NOT_ALLOWED || add("Allow", "GET, HEAD"));
}

MHD_Result send(MHD_Connection* connection, const HttpAnswer& answer) {
  // Copied: the answer is sent after this returns.
  std::unique_ptr<MHD_Response, decltype(&MHD_destroy_response)> response(
      MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                      MHD_RESPMEM_MUST_COPY),
      &MHD_destroy_response);
  if (!response || !add_headers(response.get(), answer)) return MHD_NO;
  return MHD_queue_response(connection, answer.status, response.get());
}

std::string host_of(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (info == nullptr || info->client_addr == nullptr) return "unknown";
  io::SocketAddress peer;
  peer.length =
      info->client_addr->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::memcpy(&peer.storage, info->client_addr, peer.length);
  const std::string text = io::address_text(peer);
  return text.substr(0, text.rfind(':'));
}

// Who is connected, in the order in which they came. Threading: libmicrohttpd's thread.
class Guests {
 public:
  struct Guest {
    int socket = -1;
    std::string host;
  };
  using Place = std::list<Guest>::iterator;

  Place came(int socket, std::string host) {
    guests_.push_back({socket, std::move(host)});
    const Place place = std::prev(guests_.end());
    const auto is_neighbour = [&](const Guest& each) { return each.host == place->host; };
    if (std::ranges::count_if(guests_, is_neighbour) > std::ptrdiff_t{kOfOneAddressMax}) {
      send_away(std::ranges::find_if(guests_, is_neighbour));
    } else if (guests_.size() > kOfAllMax) {
      send_away(guests_.begin());
    }
    return place;
  }
  void left(Place place) { (place->socket < 0 ? gone_ : guests_).erase(place); }

 private:
  // Its end is noticed by libmicrohttpd, who closes it.
  void send_away(Place place) {
    ::shutdown(place->socket, SHUT_RDWR);
    place->socket = -1;
    gone_.splice(gone_.end(), guests_, place);
  }

  std::list<Guest> guests_;
  std::list<Guest> gone_;
};

class HttpServerImpl final : public HttpServer {
 public:
  explicit HttpServerImpl(Answer answer) : answer_(std::move(answer)) {}

  Status listen(const std::string& address) {
    TLOG_ASSIGN(const Addresses found, resolve(address));
    const unsigned flags = unsigned{MHD_USE_INTERNAL_POLLING_THREAD} | unsigned{MHD_USE_POLL} |
                           unsigned{MHD_USE_ERROR_LOG} |
                           (found->ai_family == AF_INET6 ? unsigned{MHD_USE_IPv6} : 0u);
    daemon_.reset(MHD_start_daemon(flags, 0, nullptr, nullptr, &HttpServerImpl::asked, this,  //
                                   MHD_OPTION_EXTERNAL_LOGGER, &note_reason, &reason_,        //
                                   MHD_OPTION_SOCK_ADDR, found->ai_addr,                      //
                                   MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,              //
                                   MHD_OPTION_NOTIFY_CONNECTION, &HttpServerImpl::noticed, this,
                                   MHD_OPTION_CONNECTION_TIMEOUT, kIdleSecondsMax,  //
                                   MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,
                                   MHD_OPTION_END));
    if (!daemon_) {
      return fail(Code::kIoError,
                  fmt::format("listen: {}: {}; choose another address, or end who has it", address,
                              reason_.empty() ? "libmicrohttpd cannot start" : reason_));
    }
    const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon_.get(), MHD_DAEMON_INFO_BIND_PORT);
    address_ = info == nullptr
                   ? address
                   : fmt::format("{}:{}", address.substr(0, address.rfind(':')), info->port);
    return {};
  }

  const std::string& address() const override { return address_; }

 private:
  struct Stop {
    void operator()(MHD_Daemon* daemon) const { MHD_stop_daemon(daemon); }
  };

  HttpAnswer answer_to(std::string_view method, const char* path) const {
    if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD) {
      return {.status = MHD_HTTP_METHOD_NOT_ALLOWED, .body = "GET and HEAD only\n"};
    }
    try {
      return answer_(path);
    } catch (const std::exception&) {
      return {.status = MHD_HTTP_INTERNAL_SERVER_ERROR, .body = "this failed\n"};
    }
  }

  static MHD_Result asked(void* self, MHD_Connection* connection, const char* path,
                          const char* method, const char*, const char*, std::size_t*, void**) {
    return send(connection, static_cast<const HttpServerImpl*>(self)->answer_to(method, path));
  }

  static void noticed(void* self, MHD_Connection* connection, void** context,
                      MHD_ConnectionNotificationCode what) {
    Guests& guests = static_cast<HttpServerImpl*>(self)->guests_;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
      const MHD_ConnectionInfo* info =
          MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
      if (info == nullptr) return;
      *context = new Guests::Place(guests.came(info->connect_fd, host_of(connection)));
    } else if (*context != nullptr) {
      const std::unique_ptr<Guests::Place> place(static_cast<Guests::Place*>(*context));
      *context = nullptr;
      guests.left(*place);
    }
  }

  const Answer answer_;
  std::string address_;
  Guests guests_;
  std::string reason_;  // the last one that libmicrohttpd gave; its thread's, once there is one
  std::unique_ptr<MHD_Daemon, Stop> daemon_;  // last: its thread uses the others
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& address, Answer answer) {
  auto server = std::make_unique<HttpServerImpl>(std::move(answer));
  TLOG_TRY(server->listen(address));
  return server;
}

}  // namespace tlog::program
