#include "tlog/etcd/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "tlog/etcd/base64.h"

namespace tlog::etcd {
namespace {

using Json = nlohmann::json;

// The gateway writes 64-bit numbers as text.
std::uint64_t number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  if (found->is_number_unsigned()) return found->get<std::uint64_t>();
  if (!found->is_string()) return 0;
  const auto text = found->get<std::string>();
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

const Json* object_at(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

std::uint64_t revision_of(const Json& answer) {
  const Json* header = object_at(answer, "header");
  return header == nullptr ? 0 : number_at(*header, "revision");
}

// What a line of a watch says: the revision of a change, or nothing new.
std::uint64_t change_in(std::string_view line) {
  const Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  const Json* result = object_at(json, "result");
  if (result == nullptr) return 0;
  const auto events = result->find("events");
  const bool changed = events != result->end() && events->is_array() && !events->empty();
  // A watch that is taken away (its revision was compacted) may have missed something.
  const auto canceled = result->find("canceled");
  const bool ended = canceled != result->end() && canceled->is_boolean() && canceled->get<bool>();
  return changed || ended ? std::max<std::uint64_t>(revision_of(*result), 1) : 0;
}

}  // namespace

Result<std::string> Client::post(const std::string& path, HttpRequest request) {
  std::string reasons;
  Code code = Code::kUnavailable;
  for (std::size_t i = 0; i < url_.endpoints.size(); ++i) {
    const std::size_t at = (endpoint_ + i) % url_.endpoints.size();
    request.url = url_.endpoints[at] + path;
    auto answer = http_.post(request);
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

Result<KeyValue> Client::get() {
  HttpRequest request;
  request.body = Json{{"key", encode_base64(url_.key)}}.dump();
  TLOG_ASSIGN(const std::string answer, post("/v3/kv/range", std::move(request)));
  const Json json = Json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return fail(Code::kUnavailable,
                fmt::format("{}: the answer is no JSON; is it an etcd of version 3.4 or later?",
                            url_.endpoints[endpoint_]));
  }
  const auto found = json.find("kvs");
  if (found == json.end() || !found->is_array() || found->empty()) {
    return fail(
        Code::kNotFound,
        fmt::format("there is no such key; put the configuration there with `etcdctl put {} "
                    "< tlogdisk.yml`",
                    url_.key));
  }
  const Json& first = found->front();
  const auto value = first.find("value");
  KeyValue result{.value = {}, .revision = revision_of(json)};
  if (value != first.end() && value->is_string()) {  // absent when it is empty
    TLOG_ASSIGN(result.value, decode_base64(value->get<std::string>()));
  }
  return result;
}

Result<std::uint64_t> Client::wait_for_change(std::uint64_t revision, std::uint64_t timeout_ns) {
  std::uint64_t changed = 0;
  HttpRequest request;
  request.body =
      Json{{"create_request",
            {{"key", encode_base64(url_.key)}, {"start_revision", std::to_string(revision)}}}}
          .dump();
  request.timeout_ns = timeout_ns;
  request.on_line = [&changed](std::string_view line) {
    changed = change_in(line);
    return changed == 0;
  };
  auto answer = post("/v3/watch", std::move(request));
  if (changed != 0) return changed;
  if (answer) return fail(Code::kUnavailable, url_.text + ": the watch ended");
  if (answer.error().code() == Code::kTimeout) return std::uint64_t{0};
  return fail(answer.error());
}

}  // namespace tlog::etcd
