#include "gateways/logset/gateway.h"

#include <fmt/format.h>

#include "gateways/logset/pull_source.h"

namespace tlog::logset {
namespace {

using gateway::HttpAnswer;
using gateway::HttpExchange;
using gateway::HttpRequest;

constexpr char kBytesType[] = "application/octet-stream";
constexpr std::size_t kTargetNameMax = 200;

HttpAnswer bytes_answer(std::string body) {
  return {.status = 200, .type = kBytesType, .body = std::move(body)};
}

// Remembers why it refused; the rest of the body is dropped by the server.
class LogsetExchange : public HttpExchange {
 public:
  explicit LogsetExchange(Offered offered) : offered_(std::move(offered)) {}

  Status body(ConstByteSpan piece) final {
    if (taken_) taken_ = take(piece);
    return taken_;
  }
  HttpAnswer answer() final {
    if (taken_) {
      auto made = finish();
      if (made) return std::move(*made);
      taken_ = fail(made.error());
    }
    return gateway::text_answer(gateway::status_of(taken_.error().code()),
                                taken_.error().message());
  }

 protected:
  virtual Status take(ConstByteSpan piece) = 0;
  virtual Result<HttpAnswer> finish() = 0;
  const Offered& offered() const { return offered_; }

 private:
  const Offered offered_;
  Status taken_;  // an error once something was refused
};

class OffsetsExchange final : public LogsetExchange {
 public:
  using LogsetExchange::LogsetExchange;

 private:
  Status take(ConstByteSpan) override { return {}; }
  Result<HttpAnswer> finish() override {
    TLOG_ASSIGN(const auto logs, offered().lengths());
    return bytes_answer(offsets_text(logs));
  }
};

class PullExchange final : public LogsetExchange {
 public:
  PullExchange(Offered offered, Traffic::Puller puller)
      : LogsetExchange(std::move(offered)), puller_(std::move(puller)) {}

 private:
  Status take(ConstByteSpan piece) override {
    TLOG_ASSIGN(const std::size_t used, offsets_.take(piece));
    if (used == piece.size()) return {};
    return fail(Code::kInvalidArgument, "logset: offsets: something follows their end");
  }
  Result<HttpAnswer> finish() override {
    TLOG_TRY(offsets_.finish());
    TLOG_ASSIGN(const auto here, offered().lengths());
    offered().traffic->pulled(puller_, here, offsets_.lengths());
    auto source = std::make_unique<PullSource>(offered().repository, here, offsets_.lengths());
    HttpAnswer answer = bytes_answer({});
    answer.source_bytes = source->size();
    answer.source = std::move(source);
    return answer;
  }

  const Traffic::Puller puller_;
  OffsetsParser offsets_;
};

class PushExchange final : public LogsetExchange, private SliceVisitor {
 public:
  using LogsetExchange::LogsetExchange;

 private:
  Status take(ConstByteSpan piece) override { return parser_.take(piece); }
  Result<HttpAnswer> finish() override {
    TLOG_TRY(parser_.finish());
    return bytes_answer({});
  }

  Status begin(const SliceHead& head) override {
    TLOG_ASSIGN(taker_, offered().repository->take(head));
    slice_bytes_ = head.length;
    return {};
  }
  Status bytes(ConstByteSpan piece) override { return taker_->bytes(piece); }
  Status end() override {
    const std::unique_ptr<SliceTaker> taker = std::move(taker_);
    TLOG_TRY(taker->finish());
    offered().traffic->pushed(slice_bytes_);
    return {};
  }

  std::uint64_t slice_bytes_ = 0;
  SliceParser parser_{*this};
  std::unique_ptr<SliceTaker> taker_;
};

// What is shown to people of what a client has said.
std::string shown_name(const std::string* said) {
  std::string name = said == nullptr ? "" : said->substr(0, kTargetNameMax);
  for (char& c : name) c = c >= 0x20 && c < 0x7f ? c : '?';
  return name;
}

std::unique_ptr<HttpExchange> exchange_for(const HttpRequest& request, Offered offered,
                                           std::string_view endpoint) {
  if (endpoint == "offsets") {
    if (!request.reads()) return gateway::answered(gateway::method_not_allowed("GET, HEAD"));
    return std::make_unique<OffsetsExchange>(std::move(offered));
  }
  if (request.method != "POST") return gateway::answered(gateway::method_not_allowed("POST"));
  if (endpoint == "push") return std::make_unique<PushExchange>(std::move(offered));
  return std::make_unique<PullExchange>(
      std::move(offered), Traffic::Puller{.peer = request.peer.substr(0, request.peer.rfind(':')),
                                          .target = shown_name(request.header(kTargetHeader))});
}

// Tells of what went wrong here, not of what was asked wrongly.
class LoggedExchange final : public HttpExchange {
 public:
  LoggedExchange(std::unique_ptr<HttpExchange> inner, std::string what, Logger& logger)
      : inner_(std::move(inner)), what_(std::move(what)), logger_(logger) {}
  bool wants_body() override { return inner_->wants_body(); }
  Status body(ConstByteSpan piece) override { return inner_->body(piece); }
  HttpAnswer answer() override {
    HttpAnswer answer = inner_->answer();
    if (answer.status >= 400) {
      std::string reason = answer.body.substr(0, answer.body.find('\n'));
      for (char& c : reason) c = c == '"' ? '\'' : c;
      logger_.write(answer.status >= 500 ? LogLevel::kError : LogLevel::kInfo,
                    fmt::format("event=logset_refused {} status={} reason=\"{}\"", what_,
                                answer.status, reason));
    }
    return answer;
  }

 private:
  const std::unique_ptr<HttpExchange> inner_;
  const std::string what_;
  Logger& logger_;
};

}  // namespace

gateway::HttpHandler make_handler(Repositories repositories, Logger& logger) {
  return [repositories = std::move(repositories),
          &logger](const HttpRequest& request) -> std::unique_ptr<HttpExchange> {
    const std::string_view path = std::string_view(request.path).substr(1);
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    const std::string_view endpoint =
        slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    const auto found = repositories.find(name);
    if (found == repositories.end()) {
      return gateway::answered(gateway::text_answer(404, "there is no such repository"));
    }
    if (endpoint != "offsets" && endpoint != "pull" && endpoint != "push") {
      return gateway::answered(
          gateway::text_answer(404, "a repository has /offsets, /pull and /push"));
    }
    return std::make_unique<LoggedExchange>(
        exchange_for(request, found->second, endpoint),
        fmt::format("repo={} request={} peer={}", name, endpoint, request.peer), logger);
  };
}

}  // namespace tlog::logset
