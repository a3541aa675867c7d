#include "gateways/messages/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>

#include "gateways/messages/json_text.h"
#include "gateways/messages/listing.h"

namespace tlog::messages {
namespace {

constexpr std::string_view kJson = "application/json";
// A message in JSON, each byte of it escaped, and as much again for what stands around it.
constexpr std::size_t kBodyMax = 12 * kMessageBytesMax + 4 * kKiB;
constexpr std::uint64_t kWaitMaxSeconds = 60;
constexpr std::uint64_t kSecondNs = 1'000'000'000;
// What is done about a refusal that may pass.
constexpr std::string_view kRetrySeconds = "1";

gateway::HttpAnswer answer(unsigned status, std::string text) {
  return {.status = status, .type = std::string(kJson), .body = std::move(text)};
}

}  // namespace

gateway::HttpAnswer refusal(unsigned status, std::string_view reason) {
  gateway::HttpAnswer refused = answer(status, error_json(reason));
  if (status == 503) refused.headers.emplace_back("Retry-After", kRetrySeconds);
  return refused;
}

namespace {

gateway::HttpAnswer wrong_method(std::string_view method, std::string_view allowed) {
  gateway::HttpAnswer refused = refusal(
      405, fmt::format("{}: not a method of this path, expected {}", json_quoted(method), allowed));
  refused.headers.emplace_back("Allow", allowed);
  return refused;
}

unsigned status_of(const Error& error) {
  switch (error.code()) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kNotFound:
      return 404;
    case Code::kCorruption:
      return 500;
    default:
      return 503;
  }
}

// Takes a body up to its limit, and answers by `then`.
class Posted final : public gateway::HttpExchange {
 public:
  using Then = std::function<gateway::HttpAnswer(const std::string& body)>;
  Posted(std::optional<std::uint64_t> length, Then then)
      : too_long_(length.value_or(0) > kBodyMax), then_(std::move(then)) {}

  // Also of what is too long: who sends first and reads then shall learn the reason.
  Status body(ConstByteSpan piece) override {
    if (too_long_ || piece.size() > kBodyMax - body_.size()) {
      too_long_ = true;
      return fail(Code::kInvalidArgument, "body: too long");
    }
    body_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  }
  gateway::HttpAnswer answer() override {
    if (!too_long_) return then_(body_);
    return refusal(413, fmt::format("the body is too long, expected at most {} bytes, with a "
                                    "message of at most {}",
                                    kBodyMax, kMessageBytesMax));
  }

 private:
  bool too_long_ = false;
  const Then then_;
  std::string body_;
};

gateway::HttpAnswer append(MessageLog& log, const std::string& body,
                           const std::function<bool()>& gone) {
  if (log.role() == Role::kSecondary) {
    const std::string where = log.master();
    const std::string reason = fmt::format("this is a secondary; post to the master{}{}",
                                           where.empty() ? "" : ": ", where);
    return answer(421, fmt::format(R"({{"error":{},"master":{}}})", json_quoted(reason),
                                   where.empty() ? "null" : json_quoted(where)) +
                           "\n");
  }
  auto posted = read_posted(body, log.nodes());
  if (!posted) return refusal(400, posted.error().message());
  if (posted->text.size() > kMessageBytesMax) {
    return refusal(413, fmt::format("message: {} bytes, expected at most {}", posted->text.size(),
                                    kMessageBytesMax));
  }
  auto appended = log.append(posted->text, posted->w, gone);
  if (!appended) return refusal(503, appended.error().message());
  if (!appended->unconfirmed) return answer(201, appended_json(appended->id, posted->text));
  gateway::HttpAnswer unconfirmed = answer(
      503, fmt::format(
               R"({{"error":{},"id":{}}})",
               json_quoted(fmt::format("appended, but not known to be at {} nodes: {}; it is not "
                                       "undone, do not send it again before you have looked",
                                       posted->w, appended->unconfirmed->message())),
               appended->id) +
               "\n");
  return unconfirmed;
}

Result<std::uint64_t> number_of(const gateway::HttpRequest& request, std::string_view name,
                                std::uint64_t otherwise) {
  const std::string* text = request.query_value(name);
  if (text == nullptr) return otherwise;
  std::uint64_t value = 0;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, value);
  if (!text->empty() && read.ec == std::errc() && read.ptr == end) return value;
  return fail(Code::kInvalidArgument,
              fmt::format("{}: {}, expected a whole number from 0 on", name, json_quoted(*text)));
}

gateway::HttpAnswer echo_answer(const Api::Options& options, std::string_view text) {
  return answer(
      200, fmt::format(R"({{"message":{},"timestamp":"{}","server_id":{}}})", json_quoted(text),
                       time_text(options.clock->wall_ns()), json_quoted(options.server_id)) +
               "\n");
}

std::unique_ptr<gateway::HttpExchange> echo(const gateway::HttpRequest& request,
                                            const Api::Options& options) {
  if (request.reads()) {
    const std::string* text = request.query_value("message");
    return gateway::answered(echo_answer(options, text != nullptr ? *text : ""));
  }
  if (request.method != "POST")
    return gateway::answered(wrong_method(request.method, "GET, HEAD, POST"));
  return std::make_unique<Posted>(request.content_length, [options](const std::string& body) {
    auto text = read_echoed(body);
    return text ? echo_answer(options, *text) : refusal(400, text.error().message());
  });
}

}  // namespace

Api::Place Api::place_of(const std::string& path) const {
  if (path == "/messages" || path == "/health") return {logs_.front(), path.substr(1)};
  constexpr std::string_view kLogs = "/logs/";
  if (!path.starts_with(kLogs)) return {};
  const std::size_t slash = path.find('/', kLogs.size());
  if (slash == std::string::npos) return {};
  const std::string name = path.substr(kLogs.size(), slash - kLogs.size());
  const auto found = std::find_if(logs_.begin(), logs_.end(),
                                  [&](const MessageLog* log) { return log->name() == name; });
  const std::string what = path.substr(slash + 1);
  if (found == logs_.end() || (what != "messages" && what != "health")) return {};
  return {*found, what};
}

std::unique_ptr<gateway::HttpExchange> Api::handle(const gateway::HttpRequest& request) const {
  if (request.path == "/echo") return echo(request, options_);
  const Place place = place_of(request.path);
  if (place.log == nullptr) {
    return gateway::answered(
        refusal(404, fmt::format("{}: not found, expected /messages, /health, /echo, "
                                 "/logs/NAME/messages or /logs/NAME/health",
                                 json_quoted(request.path))));
  }
  if (place.what == "messages") return messages(request, *place.log);
  if (!request.reads()) return gateway::answered(wrong_method(request.method, "GET, HEAD"));
  return gateway::answered(
      answer(200, health_json(place.log->health(), options_.server_id, place.log->name())));
}

std::unique_ptr<gateway::HttpExchange> Api::messages(const gateway::HttpRequest& request,
                                                     MessageLog& log) const {
  if (request.reads()) return gateway::answered(list(request, log));
  if (request.method != "POST")
    return gateway::answered(wrong_method(request.method, "GET, HEAD, POST"));
  return std::make_unique<Posted>(request.content_length,
                                  [&log, gone = request.peer_closed](const std::string& body) {
                                    return append(log, body, gone);
                                  });
}

gateway::HttpAnswer Api::list(const gateway::HttpRequest& request, MessageLog& log) const {
  const auto after = number_of(request, "after", 0);
  const auto limit = number_of(request, "limit", ~std::uint64_t{0});
  const auto wait = number_of(request, "wait", 0);
  for (const auto* number : {&after, &limit, &wait}) {
    if (!*number) return refusal(400, number->error().message());
  }
  if (*wait > kWaitMaxSeconds) {
    return refusal(400,
                   fmt::format("wait: {} seconds, expected at most {}", *wait, kWaitMaxSeconds));
  }
  if (*wait != 0) log.wait_more(*after, *wait * kSecondNs);
  const auto total = log.stored();
  if (!total) return refusal(status_of(total.error()), total.error().message());
  Listing::Range range{.first = 1, .last = 0, .total = *total};
  if (*after < *total) {
    range.first = *after + 1;
    range.last = *total - *after <= *limit ? *total : *after + *limit;
  }
  gateway::HttpAnswer listed{.status = 200, .type = std::string(kJson)};
  listed.source = std::make_unique<Listing>(log, range, options_.server_id);
  return listed;
}

}  // namespace tlog::messages
