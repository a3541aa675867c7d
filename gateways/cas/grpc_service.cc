#include "gateways/cas/grpc_service.h"

#include <fmt/format.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <optional>

#include "gateways/cas/calls.h"
#include "gateways/cas/doorman.h"
#include "gateways/cas/libraries.h"
#include "gateways/cas/name_service.grpc.pb.h"
#include "gateways/cas/remote_log.grpc.pb.h"
#include "gateways/cas/status_codes.h"
#include "gateways/http/token.h"
#include "server/net/credential_files.h"
#include "server/net/tls.h"
#include "tlog/base/wipe.h"
#include "tlog/io/address.h"

namespace tlog::cas {
namespace {

// A content that is somewhat too long is answered with the reason, others by the library.
constexpr int kRequestBytesMax = 4 * 1024 * 1024 + 64 * 1024;
constexpr int kServerKeepaliveMs = 30'000;
constexpr int kServerKeepaliveTimeoutMs = 10'000;
constexpr int kPingIntervalMs = 10'000;  // of clients; who pings more often is sent away
constexpr int kConnectionAgeMs = 3'600'000;
constexpr int kConnectionAgeGraceMs = 130'000;

grpc::Status status_of(const Error& error) {
  return {static_cast<grpc::StatusCode>(grpc_code_of(error.code())),
          error.message().substr(0, kReasonBytesMax)};
}

enum class Access { kRead, kWrite };

// A call until its answer has been sent, or cannot be.
class Call final : public grpc::ServerUnaryReactor {
 public:
  explicit Call(Calls& calls) : calls_(calls) {}

  Status admit(grpc::CallbackServerContext& context, std::uint64_t bytes) {
    TLOG_ASSIGN(id_, calls_.admit(bytes, [this, &context] {
      is_cancelled_ = true;
      context.TryCancel();
    }));
    return {};
  }
  void submit(std::uint64_t answer_bytes_max, std::function<void()> work) {
    calls_.submit(*id_, answer_bytes_max, std::move(work));
  }
  // From a worker, once. The object may be gone afterwards.
  void run(const std::function<Status(grpc::ByteBuffer&)>& work, grpc::ByteBuffer& answer) {
    if (is_cancelled_) return Finish({grpc::CANCELLED, "the caller has gone"});
    grpc::Status status;
    try {
      if (Status done = work(answer); !done) status = status_of(done.error());
      calls_.has_answer(*id_, answer.Length());
    } catch (const std::exception& error) {
      status = {grpc::RESOURCE_EXHAUSTED, error.what()};
    }
    Finish(std::move(status));
  }
  void OnCancel() override {
    is_cancelled_ = true;
    if (id_) calls_.hurry(*id_);
  }
  void OnDone() override {
    if (id_) calls_.end(*id_);
    delete this;
  }

 private:
  Calls& calls_;
  std::optional<Calls::Id> id_;
  std::atomic<bool> is_cancelled_{false};
};

// What the services have in common: who may ask, and how a call goes. The messages are read here,
// because the library answers one that cannot be read as if there were no such call.
class Front {
 public:
  Front(Contents& contents, Calls& calls, Logger& logger)
      : contents_(contents), calls_(calls), logger_(logger) {}

  void allow_everything() { is_unix_ = true; }
  void set_token(gateway::BearerToken token) { token_ = std::move(token); }
  bool has_token() const { return token_.has_value(); }

  template <class Request, class Answer>
  grpc::ServerUnaryReactor* begin(grpc::CallbackServerContext* context, Access access,
                                  const grpc::ByteBuffer* request, grpc::ByteBuffer* answer,
                                  Status (*ask)(Contents&, const Request&, Answer&)) {
    auto* call = new Call(calls_);  // deletes itself
    if (const grpc::Status refused = refusal_of(*context, access); !refused.ok()) {
      call->Finish(refused);
      return call;
    }
    if (Status admitted = call->admit(*context, request->Length()); !admitted) {
      call->Finish(status_of(admitted.error()));
      return call;
    }
    // What is answered is as long as a content may be, for all that is known before.
    const std::uint64_t answer_bytes_max = access == Access::kRead ? kContentBytesMax : 0;
    call->submit(answer_bytes_max, [this, call, request, answer, ask] {
      call->run(
          [&](grpc::ByteBuffer& into) -> Status {
            Request read;
            grpc::ByteBuffer bytes(*request);
            if (!grpc::SerializationTraits<Request>::Deserialize(&bytes, &read).ok()) {
              return fail(Code::kInvalidArgument,
                          "request: it is no message of this call, or its name is no UTF-8");
            }
            Answer made;
            if (Status done = ask(contents_, read, made); !done) return told(done.error());
            bool own_buffer = false;
            (void)grpc::SerializationTraits<Answer>::Serialize(made, &into, &own_buffer);
            return {};
          },
          *answer);
    });
    return call;
  }

 private:
  grpc::Status refusal_of(const grpc::CallbackServerContext& context, Access access) const {
    if (is_unix_) return grpc::Status::OK;
    if (!token_) {
      if (access == Access::kRead) return grpc::Status::OK;
      return {
          grpc::PERMISSION_DENIED,
          "read-only without a token; start the server with --token-file, or use a Unix socket"};
    }
    const auto sent = context.client_metadata().find("authorization");
    std::optional<std::string> header;
    if (sent != context.client_metadata().end()) {
      header.emplace(sent->second.data(), sent->second.size());
    }
    if (token_->allows(header ? &*header : nullptr)) return grpc::Status::OK;
    return {grpc::UNAUTHENTICATED,
            "this server wants a token; send the metadata `authorization: Bearer ...` "
            "(--token-file of tlogplay, tokenFile of cas.publish)"};
  }

  // What the callers cannot help has to be known here as well.
  tl::unexpected<Error> told(const Error& error) {
    const Code code = error.code();
    if (code == Code::kIoError || code == Code::kCorruption || code == Code::kNoSpace) {
      logger_.error(fmt::format("event=cas_trouble reason=\"{}\"", error.message()));
    }
    return fail(error);
  }

  Contents& contents_;
  Calls& calls_;
  Logger& logger_;
  bool is_unix_ = false;
  std::optional<gateway::BearerToken> token_;
};

Status ask_add(Contents& contents, const vac::cas::Content& request, vac::cas::Address& answer) {
  TLOG_ASSIGN(*answer.mutable_id(), contents.add(request.data()));
  return {};
}

Status ask_get(Contents& contents, const vac::cas::Address& request, vac::cas::Content& answer) {
  TLOG_ASSIGN(*answer.mutable_data(), contents.get(request.id()));
  return {};
}

Status ask_update(Contents& contents, const vac::cas::NameUpdate& request, vac::cas::Response&) {
  return contents.update(request.name(), request.content());
}

Status ask_fetch(Contents& contents, const vac::cas::Query& request, vac::cas::Content& answer) {
  TLOG_ASSIGN(*answer.mutable_data(), contents.fetch(request.name()));
  return {};
}

using RawCas = vac::cas::CAS::WithRawCallbackMethod_Add<
    vac::cas::CAS::WithRawCallbackMethod_Get<vac::cas::CAS::Service>>;

class ContentService final : public RawCas {
 public:
  explicit ContentService(Front& front) : front_(front) {}

  grpc::ServerUnaryReactor* Add(grpc::CallbackServerContext* context,
                                const grpc::ByteBuffer* request,
                                grpc::ByteBuffer* answer) override {
    return front_.begin(context, Access::kWrite, request, answer, &ask_add);
  }
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const grpc::ByteBuffer* request,
                                grpc::ByteBuffer* answer) override {
    return front_.begin(context, Access::kRead, request, answer, &ask_get);
  }

 private:
  Front& front_;
};

// Under both of its names.
template <class RawNs>
class NameService final : public RawNs {
 public:
  explicit NameService(Front& front) : front_(front) {}

  grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* answer) override {
    return front_.begin(context, Access::kWrite, request, answer, &ask_update);
  }
  grpc::ServerUnaryReactor* Fetch(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* answer) override {
    return front_.begin(context, Access::kRead, request, answer, &ask_fetch);
  }

 private:
  Front& front_;
};

using RawNames = vac::cas::NS::WithRawCallbackMethod_Update<
    vac::cas::NS::WithRawCallbackMethod_Fetch<vac::cas::NS::Service>>;
using RawOldNames = vac::ns::NS::WithRawCallbackMethod_Update<
    vac::ns::NS::WithRawCallbackMethod_Fetch<vac::ns::NS::Service>>;

void set_limits(grpc::ServerBuilder& builder, const GrpcServerOptions& options) {
  grpc::ResourceQuota quota("tlog-grpc");
  quota.Resize(options.memory_max);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kRequestBytesMax);
  // A few bytes could become gigabytes.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  const auto set = [&](const char* name, unsigned value) {
    builder.AddChannelArgument(name, static_cast<int>(value));
  };
  set(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.streams_max);
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, options.handshake_seconds * 1000);
  set(GRPC_ARG_MAX_CONNECTION_IDLE_MS, options.idle_seconds * 1000);
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMs);
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kConnectionAgeGraceMs);
  set(GRPC_ARG_KEEPALIVE_TIME_MS, kServerKeepaliveMs);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kServerKeepaliveTimeoutMs);
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kPingIntervalMs);
}

class RunningServer final : public GrpcServer {
 public:
  RunningServer(const GrpcServerOptions& options, Contents& contents, Logger& logger)
      : options_(options),
        calls_(Calls::start(options.threads, options.memory_max)),
        front_(contents, *calls_, logger) {}
  ~RunningServer() override { stop(0); }

  Status start(const std::string& address) {
    prepare_libraries();
    const std::string wanted = address.starts_with(':') ? "127.0.0.1" + address : address;
    is_unix_ = io::is_unix_address(wanted);
    TLOG_ASSIGN(const auto credentials, load_credentials());
    TLOG_ASSIGN(io::BoundSocket socket, io::BoundSocket::open({.address = wanted}));
    if (!is_unix_ && !io::is_loopback_address(socket.address()) && !has_tls() &&
        !front_.has_token() && !options_.insecure) {
      return fail(Code::kInvalidArgument,
                  fmt::format("listen: {}: everybody who reaches this address could read; give TLS "
                              "or a token, listen on 127.0.0.1, or say --insecure",
                              wanted));
    }
    TLOG_TRY(build(credentials, wanted));
    doorman_ = std::make_unique<Doorman>(
        std::move(socket), options_.connections_max,
        Doorman::Work{.take = [this](int descriptor) { take(descriptor); },
                      .every_second = [this] { calls_->cancel_older_than(options_.call_ns); }});
    return doorman_->start();
  }

  const std::string& address() const override { return doorman_->address(); }

  void stop(std::uint64_t grace_ns) override {
    if (!server_) return;
    if (doorman_) doorman_->stop();
    server_->Shutdown(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_nanos(static_cast<std::int64_t>(grace_ns), GPR_TIMESPAN)));
    calls_->stop();
    server_->Wait();
    server_.reset();
  }

 private:
  bool has_tls() const { return !is_unix_ && !options_.certificate_file.empty(); }

  Result<std::shared_ptr<grpc::ServerCredentials>> load_credentials() {
    if (is_unix_) {
      front_.allow_everything();
    } else if (!options_.token_file.empty() && options_.token_file != "none") {
      TLOG_ASSIGN(auto token, gateway::BearerToken::load(*options_.files, options_.token_file));
      front_.set_token(std::move(token));
    }
    if (options_.certificate_file.empty() != options_.key_file.empty()) {
      return fail(Code::kInvalidArgument,
                  "tls: a certificate and its key are given together; name both files");
    }
    if (!has_tls()) return grpc::InsecureServerCredentials();
    // Also looks whether the two belong together, and says what is wrong when not.
    TLOG_TRY(net::Tls::load(net::TlsSide::kServer,
                            {.certificate_file = options_.certificate_file,
                             .key_file = options_.key_file,
                             .verify_peer = false},
                            *options_.files));
    TLOG_ASSIGN(const auto certificate,
                net::read_credential(*options_.files, options_.certificate_file, "certificate",
                                     net::FileSecrecy::kPublic));
    TLOG_ASSIGN(const auto key, net::read_credential(*options_.files, options_.key_file, "key file",
                                                     net::FileSecrecy::kSecret));
    const auto text = [](const net::SecretVector& bytes) {
      return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({text(key), text(certificate)});
    auto made = grpc::SslServerCredentials(tls);
    wipe(std::as_writable_bytes(std::span(tls.pem_key_cert_pairs.front().private_key)));
    return made;
  }

  Status build(const std::shared_ptr<grpc::ServerCredentials>& credentials,
               const std::string& address) {
    grpc::ServerBuilder builder;
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
    builder.RegisterService(&content_service_);
    builder.RegisterService(&name_service_);
    builder.RegisterService(&old_name_service_);
    set_limits(builder, options_);
    server_ = builder.BuildAndStart();
    if (server_) return {};
    return fail(Code::kIoError, fmt::format("listen: {}: the gRPC library cannot start; look at "
                                            "the certificate and at the limit of open files",
                                            address));
  }

  void take(int descriptor) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = descriptor;
    acceptor_->HandleNewConnection(&connection);
  }

  const GrpcServerOptions options_;
  bool is_unix_ = false;
  const std::unique_ptr<Calls> calls_;
  Front front_;
  ContentService content_service_{front_};
  NameService<RawNames> name_service_{front_};
  NameService<RawOldNames> old_name_service_{front_};
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Doorman> doorman_;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(const std::string& address,
                                                      const GrpcServerOptions& options,
                                                      Contents& contents, Logger& logger) {
  auto server = std::make_unique<RunningServer>(options, contents, logger);
  TLOG_TRY(server->start(address));
  return server;
}

}  // namespace tlog::cas
