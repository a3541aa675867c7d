#include "tlog/etcd/gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "tlog/etcd/base64.h"

namespace tlog::etcd {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLogInNs = 5'000'000'000;

const Json* find(const Json& tree, const char* pointer) {
  const Json::json_pointer at(pointer);
  return tree.contains(at) ? &tree[at] : nullptr;
}

// What a line of a watch says: the revision of a change, or nothing new.
std::uint64_t change_in(std::string_view line) {
  const auto answer = Answer::parse(line);
  if (!answer) return 0;
  // A watch that is taken away (its revision was compacted) may have missed something.
  if (!answer->has("/result/events/0") && !answer->truth("/result/canceled")) return 0;
  return std::max<std::uint64_t>(answer->number("/result/header/revision"), 1);
}

}  // namespace

struct Answer::Tree {
  Json json;
};

Result<Answer> Answer::parse(std::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return fail(Code::kUnavailable,
                "the answer is no JSON; is it an etcd of version 3.4 or later?");
  }
  return Answer(std::make_shared<const Tree>(Tree{std::move(json)}));
}

bool Answer::has(const char* pointer) const {
  return find(tree_->json, pointer) != nullptr;
}

bool Answer::truth(const char* pointer) const {
  const Json* found = find(tree_->json, pointer);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

std::uint64_t Answer::number(const char* pointer) const {
  const Json* found = find(tree_->json, pointer);
  if (found == nullptr) return 0;
  if (found->is_number_unsigned()) return found->get<std::uint64_t>();
  if (!found->is_string()) return 0;
  const auto text = found->get<std::string>();
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string Answer::text(const char* pointer) const {
  const Json* found = find(tree_->json, pointer);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

Result<std::string> Answer::bytes(const char* pointer) const {
  return decode_base64(text(pointer));
}

Status Gateway::log_in(const std::string& endpoint, std::uint64_t timeout_ns) {
  HttpRequest request;
  request.url = endpoint + "/v3/auth/authenticate";
  request.body = Json{{"name", access_.user}, {"password", access_.password}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
  request.timeout_ns = std::min(timeout_ns, kLogInNs);
  auto answer = http_.post(request);
  if (!answer) {
    return fail(answer.error().within(fmt::format("log in as user '{}'", access_.user)));
  }
  TLOG_ASSIGN(const Answer parsed, Answer::parse(*answer));
  token_ = parsed.text("/token");
  if (!token_.empty()) return {};
  return fail(Code::kInvalidArgument,
              fmt::format("{}: no token for user '{}'", request.url, access_.user));
}

// A token ends when it is not used for some minutes, and with the etcd that gave it.
Result<std::string> Gateway::post_as_user(const std::string& endpoint, const std::string& path,
                                          HttpRequest& request) {
  request.url = endpoint + path;
  if (access_.user.empty()) return http_.post(request);
  for (bool first = true;; first = false) {
    const bool had_token = !token_.empty();
    if (!had_token) TLOG_TRY(log_in(endpoint, request.timeout_ns));
    request.token = token_;
    auto answer = http_.post(request);
    if (answer || answer.error().code() != Code::kFenced) return answer;
    token_.clear();
    if (!first || !had_token) return answer;
  }
}

Result<std::string> Gateway::post(const std::string& path, HttpRequest request) {
  std::string reasons;
  Code code = Code::kUnavailable;
  for (std::size_t i = 0; i < access_.endpoints.size(); ++i) {
    const std::size_t at = (endpoint_ + i) % access_.endpoints.size();
    auto answer = post_as_user(access_.endpoints[at], path, request);
    if (answer) {
      endpoint_ = at;
      return answer;
    }
    code = answer.error().code();
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", answer.error().message());
    // A watch that hears nothing in its time is no reason to try the next.
    if (code == Code::kShutdown || (code == Code::kTimeout && request.on_line)) break;
  }
  return fail(code, std::move(reasons));
}

Result<Answer> Gateway::ask(const std::string& path, const std::string& body,
                            std::uint64_t timeout_ns) {
  HttpRequest request;
  request.body = body;
  request.timeout_ns = timeout_ns;
  TLOG_ASSIGN(const std::string text, post(path, std::move(request)));
  auto answer = Answer::parse(text);
  if (!answer) return fail(answer.error().within(access_.endpoints[endpoint_]));
  return answer;
}

Result<std::uint64_t> Gateway::wait_for_change(const std::string& key, std::uint64_t revision,
                                               std::uint64_t timeout_ns) {
  std::uint64_t changed = 0;
  HttpRequest request;
  request.body = Json{{"create_request",
                       {{"key", encode_base64(key)}, {"start_revision", std::to_string(revision)}}}}
                     .dump();
  request.timeout_ns = timeout_ns;
  request.on_line = [&changed](std::string_view line) {
    changed = change_in(line);
    return changed == 0;
  };
  auto answer = post("/v3/watch", std::move(request));
  if (changed != 0) return changed;
  if (answer) {
    return fail(Code::kUnavailable, access_.endpoints[endpoint_] + ": the watch ended");
  }
  if (answer.error().code() == Code::kTimeout) return std::uint64_t{0};
  return fail(answer.error());
}

}  // namespace tlog::etcd
