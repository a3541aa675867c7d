#include "gateways/http/exchange.h"

namespace tlog::gateway {
namespace {

class AnsweredExchange final : public HttpExchange {
 public:
  explicit AnsweredExchange(HttpAnswer answer) : answer_(std::move(answer)) {}
  bool wants_body() override { return false; }
  Status body(ConstByteSpan) override { return fail(Code::kInvalidArgument, "no body is wanted"); }
  HttpAnswer answer() override { return std::move(answer_); }

 private:
  HttpAnswer answer_;
};

}  // namespace

std::unique_ptr<HttpExchange> answered(HttpAnswer answer) {
  return std::make_unique<AnsweredExchange>(std::move(answer));
}

HttpAnswer text_answer(unsigned status, std::string_view reason) {
  return {.status = status, .body = std::string(reason) + "\n"};
}

HttpAnswer method_not_allowed(std::string_view allowed) {
  HttpAnswer answer = text_answer(405, std::string(allowed) + " only");
  answer.headers.emplace_back("Allow", allowed);
  return answer;
}

unsigned status_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kFenced:
    case Code::kWrongKey:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
      return 409;
    case Code::kUnavailable:
    case Code::kShutdown:
      return 503;
    case Code::kTimeout:
      return 504;
    case Code::kNoSpace:
      return 507;
    case Code::kCorruption:  // of what is kept here: no fault of who asks for it
    case Code::kNotSupported:
    case Code::kIoError:
      return 500;
  }
  return 500;
}

}  // namespace tlog::gateway
