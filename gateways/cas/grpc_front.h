// Front: what all services of a GrpcServer have in common: who may ask, and how a call goes, from
// its admission until its answer has been sent. For grpc_service.cc and grpc_listener.cc alone.
//
// Threading: begin() from the library's threads; the contents are asked by those of Calls.
// Errors: a call's become its status.
#pragma once

#include <fmt/format.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <optional>

#include "gateways/cas/calls.h"
#include "gateways/cas/contents.h"
#include "gateways/cas/status_codes.h"
#include "gateways/http/token.h"
#include "tlog/base/log.h"

namespace tlog::cas {

inline grpc::Status status_of(const Error& error) {
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

  // Before it is asked for the first time.
  void allow_everything() { is_unix_ = true; }
  // From any thread, at any time.
  void set_token(std::optional<gateway::BearerToken> token) {
    token_ = token ? std::make_shared<const gateway::BearerToken>(std::move(*token)) : nullptr;
  }
  bool has_token() const { return token_.load() != nullptr; }

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
    const auto token = token_.load();
    if (!token) {
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
    if (token->allows(header ? &*header : nullptr)) return grpc::Status::OK;
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
  std::atomic<std::shared_ptr<const gateway::BearerToken>> token_;
};

}  // namespace tlog::cas
