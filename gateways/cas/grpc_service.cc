#include "gateways/cas/grpc_service.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>

#include <atomic>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

#include "gateways/cas/calls.h"
#include "gateways/cas/doorman.h"
#include "gateways/cas/grpc_front.h"
#include "gateways/cas/grpc_listener.h"
#include "gateways/cas/libraries.h"
#include "gateways/http/token.h"
#include "server/net/credential_files.h"
#include "server/net/tls.h"
#include "tlog/base/wipe.h"
#include "tlog/io/address.h"

namespace tlog::cas {
namespace {

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
    if (is_unix_) front_.allow_everything();
    TLOG_ASSIGN(auto token, load_token());
    front_.set_token(std::move(token));
    TLOG_ASSIGN(const auto credentials, load_credentials());
    TLOG_ASSIGN(io::BoundSocket socket, io::BoundSocket::open({.address = wanted}));
    if (!is_unix_ && !io::is_loopback_address(socket.address()) && !has_tls() &&
        !front_.has_token() && !options_.insecure) {
      return fail(Code::kInvalidArgument,
                  fmt::format("listen: {}: everybody who reaches this address could read; give TLS "
                              "or a token, listen on 127.0.0.1, or say --insecure",
                              wanted));
    }
    TLOG_ASSIGN(listener_, GrpcListener::start(front_, options_, credentials, wanted));
    doorman_ = std::make_unique<Doorman>(
        std::move(socket), options_.connections_max,
        Doorman::Work{.take = [this](int descriptor) { take(descriptor); },
                      .every_second = [this] { calls_->cancel_older_than(options_.call_ns); }});
    return doorman_->start();
  }

  const std::string& address() const override { return doorman_->address(); }

  Status read_credentials_again() override {
    TLOG_ASSIGN(auto token, load_token());
    if (has_tls()) TLOG_TRY(listen_anew());
    front_.set_token(std::move(token));
    return {};
  }

  void stop(std::uint64_t grace_ns) override {
    if (!listener_) return;
    if (doorman_) doorman_->stop();
    listener_->stop(grace_ns);
    calls_->stop_admitting();
    // Those before have a longer grace.
    if (!retired_.empty()) calls_->cancel_older_than(0);
    for (Retired& one : retired_) one.ending.join();
    calls_->stop();
    retired_.clear();
    listener_.reset();
  }

 private:
  // One that was replaced, and ends with the last of its calls.
  struct Retired {
    explicit Retired(std::unique_ptr<GrpcListener> replaced) : listener(std::move(replaced)) {}

    std::unique_ptr<GrpcListener> listener;
    std::atomic<bool> has_ended = false;
    std::thread ending;
  };

  bool has_tls() const { return !is_unix_ && !options_.certificate_file.empty(); }

  // New connections are spoken with by a listener with the new certificate; those that there are
  // are told to come again, and the calls under way are answered.
  Status listen_anew() {
    TLOG_ASSIGN(const auto credentials, load_credentials());
    TLOG_ASSIGN(auto next, GrpcListener::start(front_, options_, credentials, address()));
    {
      const std::lock_guard lock(listener_mutex_);
      std::swap(listener_, next);
    }
    retired_.remove_if([](Retired& one) {
      if (!one.has_ended) return false;
      one.ending.join();
      return true;
    });
    Retired& replaced = retired_.emplace_back(std::move(next));
    try {
      replaced.ending = std::thread([&replaced, ns = options_.call_ns] {
        replaced.listener->stop(ns);
        replaced.has_ended = true;
      });
    } catch (const std::system_error&) {  // no thread to be had: it ends here and now
      replaced.listener->stop(0);
      retired_.pop_back();
    }
    return {};
  }

  Result<std::optional<gateway::BearerToken>> load_token() const {
    if (is_unix_ || options_.token_file.empty() || options_.token_file == "none") return {};
    TLOG_ASSIGN(auto token, gateway::BearerToken::load(*options_.files, options_.token_file));
    return token;
  }

  Result<std::shared_ptr<grpc::ServerCredentials>> load_credentials() const {
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

  // Of the doorman.
  void take(int descriptor) {
    const std::lock_guard lock(listener_mutex_);
    listener_->take(descriptor);
  }

  const GrpcServerOptions options_;
  bool is_unix_ = false;
  const std::unique_ptr<Calls> calls_;
  Front front_;
  std::mutex listener_mutex_;  // not tlog/base/mutex.h: the library has macros of the same names
  std::unique_ptr<GrpcListener> listener_;
  std::list<Retired> retired_;
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
