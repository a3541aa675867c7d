#include "gateways/cas/grpc_contents.h"

#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "gateways/cas/libraries.h"
#include "gateways/cas/remote_log.grpc.pb.h"
#include "gateways/cas/status_codes.h"
#include "gateways/http/token.h"
#include "server/net/credential_files.h"
#include "tlog/io/address.h"

namespace tlog::cas {
namespace {

constexpr int kAnswerBytesMax = 4 * 1024 * 1024;
constexpr int kBackoffMsMin = 200;
constexpr int kBackoffMsMax = 5000;
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr char kSystemAuthorities[] = "/etc/ssl/certs/ca-certificates.crt";

Error error_of(const grpc::Status& status) {
  const std::string reason = printable(status.error_message().substr(0, kReasonBytesMax));
  if (status.error_code() == grpc::RESOURCE_EXHAUSTED) {
    // The library's own words, here and at the other end.
    if (reason.starts_with("Received message larger")) {
      return {Code::kNotSupported, "the answer is longer than 4 MiB, which is not taken"};
    }
    if (reason.starts_with("Received RST_STREAM")) {
      return {Code::kUnavailable, "the service has no memory left for this call; ask again later"};
    }
  }
  return {code_of_grpc(status.error_code()),
          reason.empty() ? fmt::format("gRPC status {}", static_cast<int>(status.error_code()))
                         : reason};
}

class GrpcContents final : public Contents {
 public:
  explicit GrpcContents(const GrpcContentsOptions& options) : options_(options) {}

  Status open() {
    prepare_libraries();
    if (!io::is_unix_address(options_.target)) {
      TLOG_TRY(io::split_address("cas", options_.target));
    }
    if (!options_.token_file.empty() && options_.token_file != "none") {
      TLOG_ASSIGN(const auto token,
                  gateway::BearerToken::load(*options_.files, options_.token_file));
      authorization_ = token.header();
    }
    grpc::ChannelArguments arguments;
    TLOG_ASSIGN(const auto credentials, load_credentials(arguments));
    arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // the service was named, not a way to it
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kBackoffMsMin);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kBackoffMsMin);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kBackoffMsMax);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    // Two objects are two clients: one that waits after a failure does not keep the other waiting.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel(options_.target, credentials, arguments);
    contents_ = vac::cas::CAS::NewStub(channel);
    names_ = vac::cas::NS::NewStub(channel);
    return {};
  }

  Result<Address> add(std::string_view content) override {
    vac::cas::Content request;
    request.set_data(content.data(), content.size());
    vac::cas::Address answer;
    TLOG_TRY(call("add", "a content", [&](grpc::ClientContext& context) {
      return contents_->Add(&context, request, &answer);
    }));
    if (answer.id().empty() || answer.id().size() > kAddressBytesMax) {
      return fail(
          Code::kCorruption,
          fmt::format("cas: add: {}: an address of {} bytes was answered; 1 to {} are taken",
                      options_.target, answer.id().size(), kAddressBytesMax));
    }
    if (may_be_of(answer.id(), content)) return std::move(*answer.mutable_id());
    return fail(Code::kCorruption,
                fmt::format("cas: add: {}: the address {} was answered, which is another content's",
                            options_.target, text_of(answer.id())));
  }

  Result<std::string> get(const Address& address) override {
    vac::cas::Address request;
    request.set_id(address);
    vac::cas::Content answer;
    TLOG_TRY(call("get", text_of(address), [&](grpc::ClientContext& context) {
      return contents_->Get(&context, request, &answer);
    }));
    if (may_be_of(address, answer.data())) return std::move(*answer.mutable_data());
    return fail(Code::kCorruption,
                fmt::format("cas: get: {}: {}: another content was answered; ask another service",
                            options_.target, text_of(address)));
  }

  Status update(const std::string& name, std::string_view content) override {
    vac::cas::NameUpdate request;
    request.set_name(name);
    request.set_content(content.data(), content.size());
    vac::cas::Response answer;
    return call("update", name, [&](grpc::ClientContext& context) {
      return names_->Update(&context, request, &answer);
    });
  }

  Result<std::string> fetch(const std::string& name) override {
    vac::cas::Query request;
    request.set_name(name);
    vac::cas::Content answer;
    TLOG_TRY(call("fetch", name, [&](grpc::ClientContext& context) {
      return names_->Fetch(&context, request, &answer);
    }));
    return std::move(*answer.mutable_data());
  }

 private:
  template <class Ask>
  Status call(std::string_view operation, std::string_view object, const Ask& ask) {
    grpc::ClientContext context;
    context.set_deadline(gpr_time_add(
        gpr_now(GPR_CLOCK_MONOTONIC),
        gpr_time_from_nanos(static_cast<std::int64_t>(options_.call_ns), GPR_TIMESPAN)));
    if (!authorization_.empty()) {
      context.AddMetadata(
          "authorization",
          std::string(reinterpret_cast<const char*>(authorization_.data()), authorization_.size()));
    }
    const grpc::Status status = ask(context);
    if (status.ok()) return {};
    return fail(error_of(status).within(
        fmt::format("cas: {}: {}: {}", operation, options_.target, object)));
  }

  Result<std::shared_ptr<grpc::ChannelCredentials>> load_credentials(
      grpc::ChannelArguments& arguments) {
    const bool has_tls = options_.tls || !options_.ca_file.empty();
    if (!has_tls && !options_.server_name.empty()) {
      return fail(
          Code::kInvalidArgument,
          "cas: a server's name is of use with TLS only; name the authority's file as well");
    }
    if (!has_tls) return grpc::InsecureChannelCredentials();
    TLOG_ASSIGN(
        const auto authorities,
        net::read_credential(*options_.files,
                             options_.ca_file.empty() ? kSystemAuthorities : options_.ca_file,
                             "authorities", net::FileSecrecy::kPublic));
    if (!options_.server_name.empty()) {
      arguments.SetSslTargetNameOverride(options_.server_name);
    }
    return grpc::SslCredentials(
        {.pem_root_certs =
             std::string(reinterpret_cast<const char*>(authorities.data()), authorities.size()),
         .pem_private_key = {},
         .pem_cert_chain = {}});
  }

  const GrpcContentsOptions options_;
  gateway::BearerToken::Secret authorization_;
  std::unique_ptr<vac::cas::CAS::Stub> contents_;
  std::unique_ptr<vac::cas::NS::Stub> names_;
};

}  // namespace

Result<std::unique_ptr<Contents>> make_grpc_contents(const GrpcContentsOptions& options) {
  auto contents = std::make_unique<GrpcContents>(options);
  TLOG_TRY(contents->open());
  return contents;
}

}  // namespace tlog::cas
