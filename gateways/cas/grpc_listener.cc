#include "gateways/cas/grpc_listener.h"

#include <fmt/format.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "gateways/cas/name_service.grpc.pb.h"
#include "gateways/cas/remote_log.grpc.pb.h"

namespace tlog::cas {
namespace {

// A content that is somewhat too long is answered with the reason, others by the library.
constexpr int kRequestBytesMax = 4 * 1024 * 1024 + 64 * 1024;
constexpr int kServerKeepaliveMs = 30'000;
constexpr int kServerKeepaliveTimeoutMs = 10'000;
constexpr int kPingIntervalMs = 10'000;  // of clients; who pings more often is sent away
constexpr int kConnectionAgeMs = 3'600'000;
constexpr int kConnectionAgeGraceMs = 130'000;

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

class RunningListener final : public GrpcListener {
 public:
  explicit RunningListener(Front& front) : contents_(front), names_(front), old_names_(front) {}

  Status start(const GrpcServerOptions& options,
               const std::shared_ptr<grpc::ServerCredentials>& credentials,
               const std::string& address) {
    grpc::ServerBuilder builder;
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
    builder.RegisterService(&contents_);
    builder.RegisterService(&names_);
    builder.RegisterService(&old_names_);
    set_limits(builder, options);
    server_ = builder.BuildAndStart();
    if (server_) return {};
    return fail(Code::kIoError, fmt::format("listen: {}: the gRPC library cannot start; look at "
                                            "the certificate and at the limit of open files",
                                            address));
  }

  void take(int descriptor) override {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = descriptor;
    acceptor_->HandleNewConnection(&connection);
  }

  void stop(std::uint64_t grace_ns) override {
    server_->Shutdown(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_nanos(static_cast<std::int64_t>(grace_ns), GPR_TIMESPAN)));
  }

 private:
  ContentService contents_;
  NameService<RawNames> names_;
  NameService<RawOldNames> old_names_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<GrpcListener>> GrpcListener::start(
    Front& front, const GrpcServerOptions& options,
    const std::shared_ptr<grpc::ServerCredentials>& credentials, const std::string& address) {
  auto listener = std::make_unique<RunningListener>(front);
  TLOG_TRY(listener->start(options, credentials, address));
  return listener;
}

}  // namespace tlog::cas
