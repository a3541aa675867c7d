#include "gateways/http/http_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <microhttpd.h>
#include <netdb.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <thread>

#include "gateways/http/call.h"
#include "gateways/http/request.h"
#include "gateways/http/token.h"
#include "server/net/credential_files.h"
#include "tlog/io/address.h"

namespace tlog::gateway {
namespace {

constexpr std::size_t kSourceBlock = 256 * 1024;  // of a streamed answer whose length is known
constexpr char kTlsPriorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

// What libmicrohttpd says, kept while it starts: the reason for which it cannot.
struct StartReason {
  std::thread::id starter = std::this_thread::get_id();  // what other threads say is of connections
  std::atomic<bool> starting{true};
  std::string text;
};

void note_start_reason(void* into, const char* format, va_list arguments) {
  auto* reason = static_cast<StartReason*>(into);
  // Later it tells of connections that went, from any thread.
  if (!reason->starting || std::this_thread::get_id() != reason->starter) return;
  char text[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  std::vsnprintf(text, sizeof text, format, arguments);
#pragma GCC diagnostic pop
  reason->text = text;
  while (reason->text.ends_with('\n')) reason->text.pop_back();
}

// Addresses are decoded by read_request(), which refuses what cannot be.
std::size_t leave_encoded(void*, MHD_Connection*, char* text) {
  return std::strlen(text);
}

struct StreamedCall {
  std::shared_ptr<Call> call;
  MHD_Connection* connection;
  unsigned idle_seconds;
};

// The time that we took is not the client's silence. Setting it from 0 begins it anew.
void begin_idle_time(MHD_Connection* connection, unsigned seconds) {
  MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
  MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

ssize_t fill_from_source(void* streamed, std::uint64_t, char* into, std::size_t room) {
  auto* self = static_cast<StreamedCall*>(streamed);
  try {
    auto filled = self->call->fill(ByteSpan(reinterpret_cast<std::byte*>(into), room));
    begin_idle_time(self->connection, self->idle_seconds);
    if (!filled) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (*filled == 0) return MHD_CONTENT_READER_END_OF_STREAM;
    return static_cast<ssize_t>(*filled);
  } catch (const std::exception&) {
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
}

void end_streamed(void* streamed) {
  delete static_cast<StreamedCall*>(streamed);
}

using Response = std::unique_ptr<MHD_Response, decltype(&MHD_destroy_response)>;

Response make_response(HttpAnswer& answer, std::unique_ptr<StreamedCall> streamed) {
  if (!answer.source) {
    // Copied: the answer is sent after its text has gone.
    return {MHD_create_response_from_buffer(answer.body.size(), answer.body.data(),
                                            MHD_RESPMEM_MUST_COPY),
            &MHD_destroy_response};
  }
  streamed->call->keep(std::move(answer.source));
  const std::uint64_t size = answer.source_bytes.value_or(MHD_SIZE_UNKNOWN);
  MHD_Response* made = MHD_create_response_from_callback(size, kSourceBlock, &fill_from_source,
                                                         streamed.get(), &end_streamed);
  if (made != nullptr) (void)streamed.release();  // end_streamed() has it now
  return {made, &MHD_destroy_response};
}

bool add_headers(MHD_Response* response, const HttpAnswer& answer) {
  const auto add = [&](const std::string& name, const std::string& value) {
    return MHD_add_response_header(response, name.c_str(), value.c_str()) == MHD_YES;
  };
  if (!answer.type.empty() && !add("Content-Type", answer.type)) return false;
  for (const auto& [name, value] : answer.headers) {
    if (!add(name, value)) return false;
  }
  return add("Cache-Control", "no-store") && add("X-Content-Type-Options", "nosniff");
}

class GatewayServer final : public HttpServer {
 public:
  GatewayServer(const HttpServerOptions& options, HttpHandler handler)
      : options_(options), handler_(std::move(handler)) {}
  ~GatewayServer() override { stop(0); }

  Status load_credentials() {
    TLOG_ASSIGN(Credentials loaded, load());
    use(std::move(loaded));
    return {};
  }

  // The new certificate needs a new daemon: it listens on the same socket before the old one ceases
  // to, so that nobody is refused. The old one goes on with the connections that it has.
  Status read_credentials_again() override {
    TLOG_ASSIGN(Credentials loaded, load());
    if (is_tls()) TLOG_TRY(listen_anew(loaded));
    use(std::move(loaded));
    return {};
  }

  Status listen(const std::string& address) {
    TLOG_ASSIGN(const io::SocketAddress place, find(address));
    if (!io::is_loopback_address(io::address_text(place)) && !is_tls() && !current_token() &&
        !options_.insecure) {
      return fail(Code::kInvalidArgument,
                  fmt::format("listen: {}: everybody who reaches this address could read and "
                              "write; give TLS or a token, listen on 127.0.0.1, or say --insecure",
                              address));
    }
    daemon_ = start_daemon(place.get(), MHD_INVALID_SOCKET, credentials_);
    if (!daemon_) {
      return fail(
          Code::kIoError,
          fmt::format("listen: {}: {}; choose another address, end who has it, or look "
                      "at the certificate",
                      address, reason_.text.empty() ? "libmicrohttpd cannot start" : reason_.text));
    }
    const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon_.get(), MHD_DAEMON_INFO_BIND_PORT);
    const std::string host = address.substr(0, address.rfind(':'));
    address_ =
        fmt::format("{}:{}", host.empty() ? "127.0.0.1" : host, info == nullptr ? 0 : info->port);
    return {};
  }

  const std::string& address() const override { return address_; }
  bool is_tls() const override { return !options_.certificate_file.empty(); }

  void stop(std::uint64_t grace_ns) override {
    if (!daemon_) return;
    stopping_ = true;
    const MHD_socket listening = MHD_quiesce_daemon(daemon_.get());
    if (!calls_.wait_for_none(grace_ns)) calls_.cancel();
    daemon_.reset();
    former_.clear();
    if (listening != MHD_INVALID_SOCKET) ::close(listening);
  }

 private:
  struct StopDaemon {
    void operator()(MHD_Daemon* daemon) const { MHD_stop_daemon(daemon); }
  };

  using Daemon = std::unique_ptr<MHD_Daemon, StopDaemon>;
  struct Credentials {
    std::shared_ptr<const BearerToken> token;
    net::SecretVector certificate, key;
  };

  Result<Credentials> load() const {
    Credentials loaded;
    if (!options_.token_file.empty() && options_.token_file != "none") {
      TLOG_ASSIGN(auto token, BearerToken::load(*options_.files, options_.token_file));
      loaded.token = std::make_shared<const BearerToken>(std::move(token));
    }
    if (options_.certificate_file.empty() != options_.key_file.empty()) {
      return fail(Code::kInvalidArgument,
                  "tls: a certificate and its key are given together; name both files");
    }
    if (!is_tls()) return loaded;
    TLOG_TRY(load_pem(options_.certificate_file, "certificate", net::FileSecrecy::kPublic,
                      loaded.certificate));
    TLOG_TRY(load_pem(options_.key_file, "key file", net::FileSecrecy::kSecret, loaded.key));
    return loaded;
  }

  void use(Credentials loaded) EXCLUDES(token_mutex_) {
    MutexLock lock(token_mutex_);
    token_ = loaded.token;
    credentials_ = std::move(loaded);
  }
  std::shared_ptr<const BearerToken> current_token() const EXCLUDES(token_mutex_) {
    MutexLock lock(token_mutex_);
    return token_;
  }

  Status listen_anew(Credentials& credentials) {
    const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon_.get(), MHD_DAEMON_INFO_LISTEN_FD);
    const int listening = info == nullptr ? -1 : ::fcntl(info->listen_fd, F_DUPFD_CLOEXEC, 0);
    if (listening < 0) return fail(Code::kIoError, "listen: the socket cannot be shared");
    Daemon made = start_daemon(nullptr, listening, credentials);
    if (!made) {
      ::close(listening);
      return fail(Code::kInvalidArgument, fmt::format("tls: {}: {}; is the key the certificate's?",
                                                      options_.certificate_file, reason_.text));
    }
    ::close(MHD_quiesce_daemon(daemon_.get()));
    std::erase_if(former_, [](const Daemon& daemon) {
      const MHD_DaemonInfo* found =
          MHD_get_daemon_info(daemon.get(), MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
      return found != nullptr && found->num_connections == 0;
    });
    former_.push_back(std::move(daemon_));
    daemon_ = std::move(made);
    return {};
  }

  Status load_pem(const std::string& path, const std::string& what, net::FileSecrecy secrecy,
                  net::SecretVector& into) const {
    TLOG_ASSIGN(into, net::read_credential(*options_.files, path, what, secrecy));
    into.push_back(std::byte{0});  // libmicrohttpd takes it as a string
    return {};
  }

  static Result<io::SocketAddress> find(const std::string& address) {
    TLOG_ASSIGN(
        io::HostPort name,
        io::split_address("listen", address.starts_with(':') ? "127.0.0.1" + address : address));
    io::SocketAddresses found;
    const int error = io::look_up(name, AI_PASSIVE | AI_NUMERICSERV, found);
    if (error != 0 || found.empty()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("listen: {}: {}", address,
                              error == 0 ? "there is no such address" : ::gai_strerror(error)));
    }
    return found.front();
  }

  // On `socket`, or at `place`.
  Daemon start_daemon(const sockaddr* place, MHD_socket socket, Credentials& credentials) {
    const bool is_v6 = place != nullptr && place->sa_family == AF_INET6;
    const unsigned flags =
        unsigned{MHD_USE_INTERNAL_POLLING_THREAD} | unsigned{MHD_USE_THREAD_PER_CONNECTION} |
        unsigned{MHD_USE_POLL} | unsigned{MHD_USE_ITC} | unsigned{MHD_USE_ERROR_LOG} |
        (is_tls() ? unsigned{MHD_USE_TLS} : 0u) | (is_v6 ? unsigned{MHD_USE_IPv6} : 0u);
    std::vector<MHD_OptionItem> more;
    if (is_tls()) {
      more.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, credentials.certificate.data()});
      more.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, credentials.key.data()});
      more.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kTlsPriorities)});
    }
    if (place != nullptr) {
      more.push_back({MHD_OPTION_SOCK_ADDR, 0, const_cast<sockaddr*>(place)});
    } else {
      more.push_back({MHD_OPTION_LISTEN_SOCKET, socket, nullptr});
    }
    more.push_back({MHD_OPTION_END, 0, nullptr});
    reason_.text.clear();
    reason_.starting = true;
    Daemon made(
        MHD_start_daemon(flags, 0, nullptr, nullptr, &GatewayServer::asked, this,                 //
                         MHD_OPTION_EXTERNAL_LOGGER, &note_start_reason, &reason_,                //
                         MHD_OPTION_CONNECTION_LIMIT, options_.connections_max,                   //
                         MHD_OPTION_PER_IP_CONNECTION_LIMIT, options_.per_address_max,            //
                         MHD_OPTION_CONNECTION_TIMEOUT, options_.idle_seconds,                    //
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, options_.connection_memory,          //
                         MHD_OPTION_CONNECTION_MEMORY_INCREMENT, options_.connection_memory / 4,  //
                         MHD_OPTION_UNESCAPE_CALLBACK, &leave_encoded, nullptr,                   //
                         MHD_OPTION_NOTIFY_COMPLETED, &GatewayServer::completed, nullptr,         //
                         MHD_OPTION_ARRAY, more.data(), MHD_OPTION_END));
    reason_.starting = false;
    return made;
  }

  // Why a request is not given to the handler, if it is not.
  std::optional<HttpAnswer> refusal_of(const Result<HttpRequest>& request,
                                       MHD_Connection* connection) {
    if (stopping_) return options_.refusal(503, "this server stops; ask again later");
    const char* said = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    const std::optional<std::string> sent =
        said == nullptr ? std::nullopt : std::optional<std::string>(said);
    const auto token = current_token();
    if (token && !token->allows(sent ? &*sent : nullptr)) {
      HttpAnswer answer =
          options_.refusal(401, "this server wants a token; send Authorization: Bearer");
      answer.headers.emplace_back("WWW-Authenticate", "Bearer");
      return answer;
    }
    if (!request) return options_.refusal(400, request.error().message());
    if (request->content_length.value_or(0) > options_.body_bytes_max) {
      return options_.refusal(
          413, fmt::format("request: body: longer than {} bytes", options_.body_bytes_max));
    }
    return std::nullopt;
  }

  // The headers of a request have come.
  MHD_Result begin(MHD_Connection* connection, const char* path, const char* method,
                   std::shared_ptr<Call>& call) {
    const Result<HttpRequest> request = read_request(connection, path, method);
    if (auto refusal = refusal_of(request, connection)) {
      call->refuse(std::move(*refusal), 0);
    } else {
      call->begin(handler_, *request);
      begin_idle_time(connection, options_.idle_seconds);
    }
    if (!request) return answer(connection, call);  // where its body ends is anybody's guess
    if (call->takes_body()) return MHD_YES;
    // Who asks first need not send, and who has too much to say is not heard out.
    if (request->header("Expect") != nullptr ||
        request->content_length.value_or(0) > call->dropped_bytes_max()) {
      return answer(connection, call);
    }
    return MHD_YES;
  }

  MHD_Result answer(MHD_Connection* connection, const std::shared_ptr<Call>& call) const {
    HttpAnswer made = call->answer();
    begin_idle_time(connection, options_.idle_seconds);
    auto streamed = std::make_unique<StreamedCall>(StreamedCall{
        .call = call, .connection = connection, .idle_seconds = options_.idle_seconds});
    const Response response = make_response(made, std::move(streamed));
    if (!response || !add_headers(response.get(), made)) return MHD_NO;
    return MHD_queue_response(connection, made.status, response.get());
  }

  static MHD_Result asked(void* self, MHD_Connection* connection, const char* path,
                          const char* method, const char*, const char* piece, std::size_t* size,
                          void** request) {
    auto* server = static_cast<GatewayServer*>(self);
    auto* call = static_cast<std::shared_ptr<Call>*>(*request);
    try {
      if (call == nullptr) {
        call = new std::shared_ptr<Call>(std::make_shared<Call>(
            server->calls_, server->options_.refusal, server->options_.body_bytes_max));
        *request = call;  // completed() has it now
        return server->begin(connection, path, method, *call);
      }
      if (*size == 0) return server->answer(connection, *call);
      const ConstByteSpan bytes(reinterpret_cast<const std::byte*>(piece), *size);
      *size = 0;
      const bool goes_on = (*call)->body(bytes);
      begin_idle_time(connection, server->options_.idle_seconds);
      return goes_on ? MHD_YES : MHD_NO;
    } catch (const std::exception&) {
      return MHD_NO;  // no memory; the connection ends
    }
  }

  static void completed(void*, MHD_Connection*, void** request, MHD_RequestTerminationCode) {
    delete static_cast<std::shared_ptr<Call>*>(*request);
    *request = nullptr;
  }

  const HttpServerOptions options_;
  const HttpHandler handler_;
  mutable Mutex token_mutex_;
  std::shared_ptr<const BearerToken> token_ GUARDED_BY(token_mutex_);
  Credentials credentials_;  // of the thread of start()
  std::string address_;
  StartReason reason_;
  Calls calls_;
  std::atomic<bool> stopping_{false};
  std::vector<Daemon> former_;  // with the certificates of before, until their connections end
  Daemon daemon_;               // last, with these: their threads use the others
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& address,
                                                      const HttpServerOptions& options,
                                                      HttpHandler handler) {
  auto server = std::make_unique<GatewayServer>(options, std::move(handler));
  TLOG_TRY(server->load_credentials());
  TLOG_TRY(server->listen(address));
  return server;
}

}  // namespace tlog::gateway
