#include "gateways/messages/json_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tlog::messages {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDepthMax = 16;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What the library says, but for its own name and number for it: "[json.exception.x.101] ...".
std::string without_name(std::string text) {
  const std::size_t end = text.starts_with('[') ? text.find("] ") : std::string::npos;
  return end == std::string::npos ? text : text.substr(end + 2);
}

// The parser itself takes any depth, on the stack of whoever destroys what it has made.
Result<Json> parse_object(std::string_view body) {
  const auto refuse = [](const std::string& why) {
    return fail(Code::kInvalidArgument, "the body is not a JSON object: " + why);
  };
  bool too_deep = false;
  const Json::parser_callback_t look = [&](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > kDepthMax;
    return depth <= kDepthMax;
  };
  try {
    Json json = Json::parse(body, look);
    if (too_deep) return refuse("it is nested too deeply");
    if (!json.is_object()) return refuse(fmt::format("it is {}", json.type_name()));
    return json;
  } catch (const std::exception& error) {
    return refuse(without_name(error.what()));
  }
}

Result<std::string> read_message(const Json& json) {
  const auto found = json.find("message");
  if (found == json.end()) return fail(Code::kInvalidArgument, "message: missing");
  if (!found->is_string()) {
    return fail(Code::kInvalidArgument,
                fmt::format("message: is {}, expected a string", found->type_name()));
  }
  return found->get<std::string>();
}

Result<unsigned> read_w(const Json& json, unsigned nodes) {
  const auto found = json.find("w");
  if (found == json.end()) return nodes;
  const bool is_whole = found->is_number_integer();
  const bool fits = found->is_number_unsigned() && found->get<std::uint64_t>() >= 1 &&
                    found->get<std::uint64_t>() <= nodes;
  if (fits) return found->get<unsigned>();
  return fail(
      Code::kInvalidArgument,
      fmt::format("w: {}, expected a whole number from 1 to {}, the nodes there are",
                  is_whole ? dump(*found) : std::string("is ") + found->type_name(), nodes));
}

std::string_view state_name(NodeState state) {
  switch (state) {
    case NodeState::kHealthy:
      return "Healthy";
    case NodeState::kSuspected:
      return "Suspected";
    case NodeState::kUnhealthy:
      return "Unhealthy";
  }
  return "Unhealthy";
}

std::string_view status_of(const LogHealth& health) {
  if (!health.unwell.empty()) return health.role == Role::kMaster ? "read-only" : "unhealthy";
  for (const NodeHealth& node : health.secondaries) {
    if (node.state != NodeState::kHealthy) return "degraded";
  }
  return "healthy";
}

}  // namespace

Result<PostedMessage> read_posted(std::string_view body, unsigned nodes) {
  TLOG_ASSIGN(const Json json, parse_object(body));
  PostedMessage posted;
  TLOG_ASSIGN(posted.text, read_message(json));
  TLOG_ASSIGN(posted.w, read_w(json, nodes));
  if (posted.text.empty()) return fail(Code::kInvalidArgument, "message: is empty");
  return posted;
}

Result<std::string> read_echoed(std::string_view body) {
  TLOG_ASSIGN(const Json json, parse_object(body));
  return read_message(json);
}

std::string json_quoted(std::string_view text) {
  return dump(Json(text));
}

std::string time_text(TimestampNs time) {
  constexpr TimestampNs kSecondNs = 1'000'000'000;
  const auto seconds = static_cast<std::time_t>(time / kSecondNs);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(seconds), time % kSecondNs);
}

std::string message_json(const Message& message) {
  return fmt::format(R"({{"id":{},"message":{},"timestamp":"{}"}})", message.id,
                     json_quoted(message.text), time_text(message.timestamp));
}

std::string appended_json(Sequence id, std::string_view text) {
  return fmt::format(R"({{"id":{},"message":{}}})", id, json_quoted(text)) + "\n";
}

std::string error_json(std::string_view reason) {
  return fmt::format(R"({{"error":{}}})", json_quoted(reason)) + "\n";
}

std::string_view role_name(Role role) {
  return role == Role::kMaster ? "master" : "secondary";
}

std::string health_json(const LogHealth& health, const std::string& server_id,
                        const std::string& log) {
  Json json;
  json["status"] = status_of(health);
  json["role"] = role_name(health.role);
  json["server_id"] = server_id;
  json["log"] = log;
  json["total"] = health.stored;
  if (!health.unwell.empty()) json["reason"] = health.unwell;
  if (health.role == Role::kMaster) {
    json["nodes"] = health.nodes;
    json["quorum"] = health.quorum;
    json["present"] = health.present;
  }
  json["secondaries"] = Json::array();
  for (const NodeHealth& node : health.secondaries) {
    Json one;
    one["url"] = node.address;
    one["status"] = state_name(node.state);
    one["last_heartbeat"] =
        node.heartbeat_ns == 0 ? Json(nullptr) : Json(time_text(node.heartbeat_ns));
    one["failure_count"] = node.failures;
    one["total"] = node.stored;
    if (!node.reason.empty()) one["reason"] = node.reason;
    json["secondaries"].push_back(std::move(one));
  }
  return dump(json) + "\n";
}

}  // namespace tlog::messages
