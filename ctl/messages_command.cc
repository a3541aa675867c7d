// tlogctl messages and tlogctl echo: logs of messages, asked over HTTP; of a vdisk, its marks.
#include <fmt/format.h>

#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "ctl/commands.h"
#include "gateways/messages/http_client.h"

namespace tlog::ctl {
namespace {

using Json = nlohmann::ordered_json;
using messages::ClientReply;
using messages::HttpClient;

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kPage = 1000;
constexpr std::uint64_t kFollowSeconds = 30;
constexpr std::uint64_t kAnswerNs = 60 * kSecondNs;

bool is_url(const std::string& where) {
  return where.find("://") != std::string::npos;
}

Result<std::unique_ptr<HttpClient>> client_of(const MessagesCommand& command) {
  return HttpClient::open(
      {.url = command.where, .token_file = command.token_file, .ca_file = command.ca_file});
}

std::string path_of(const MessagesCommand& command) {
  return command.log.empty() ? "/messages" : "/logs/" + command.log + "/messages";
}

Result<Json> parsed(const ClientReply& reply, const std::string& where) {
  try {
    return Json::parse(reply.body);
  } catch (const std::exception&) {
    return fail(
        Code::kUnavailable,
        fmt::format("{}: status {}, and what it says is no JSON; is it a tlogserver's --http?",
                    where, reply.status));
  }
}

Code code_of(unsigned status) {
  switch (status) {
    case 400:
    case 405:
    case 413:
    case 421:
      return Code::kInvalidArgument;
    case 404:
      return Code::kNotFound;
    default:
      return Code::kUnavailable;
  }
}

Result<Json> asked(HttpClient& client, const MessagesCommand& command, const std::string& path,
                   const std::string* body, unsigned wanted, std::uint64_t timeout_ns) {
  TLOG_ASSIGN(const ClientReply reply, client.ask(path, body, timeout_ns));
  if (reply.status == 401)
    return fail(Code::kInvalidArgument, command.where + ": it wants a token; give --token-file");
  TLOG_ASSIGN(Json json, parsed(reply, command.where));
  if (reply.status == wanted) return json;
  const std::string why =
      json.is_object() ? json.value("error", "no reason given") : "no reason given";
  return fail(code_of(reply.status), fmt::format("{}: {}", command.where, why));
}

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A message may hold anything: on a line it is what JSON makes of it, without its quotes.
std::string on_a_line(const std::string& text) {
  const std::string quoted = dumped(Json(text));
  return quoted.substr(1, quoted.size() - 2);
}

void print(const Json& message, bool json) {
  const std::string line =
      json ? dumped(message)
           : fmt::format("{:>8}  {}  {}", message.value("id", std::uint64_t{0}),
                         message.value("timestamp", ""), on_a_line(message.value("message", "")));
  std::puts(line.c_str());
}

// Prints one page; answers the last id.
Result<std::uint64_t> print_page(HttpClient& client, const MessagesCommand& command,
                                 std::uint64_t after, std::uint64_t limit, std::uint64_t wait) {
  const std::string path =
      fmt::format("{}?after={}&limit={}&wait={}", path_of(command), after, limit, wait);
  TLOG_ASSIGN(const Json page,
              asked(client, command, path, nullptr, 200, kAnswerNs + wait * kSecondNs));
  try {
    for (const Json& message : page.at("messages")) {
      print(message, command.json);
      after = message.at("id").get<std::uint64_t>();
    }
  } catch (const std::exception& error) {
    return fail(Code::kUnavailable,
                fmt::format("{}: its list is none: {}", command.where, error.what()));
  }
  return after;
}

}  // namespace

Status messages_append(const Place& place, const MessagesCommand& command) {
  if (!is_url(command.where)) {
    if (command.w != 0) {
      return fail(Code::kInvalidArgument,
                  "append: -w: of a vdisk its configuration says how many servers have to store "
                  "what counts (tlog.writeConcern)");
    }
    return mark(place, command.where, command.text);
  }
  TLOG_ASSIGN(const auto client, client_of(command));
  Json wanted{{"message", command.text}};
  if (command.w != 0) wanted["w"] = command.w;
  const std::string body = dumped(wanted);
  TLOG_ASSIGN(const Json answer, asked(*client, command, path_of(command), &body, 201, 0));
  if (command.json) {
    std::puts(dumped(answer).c_str());
  } else {
    std::printf("%" PRIu64 "\n", answer.value("id", std::uint64_t{0}));
  }
  return {};
}

Status messages_list(const MessagesCommand& command) {
  if (!is_url(command.where)) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("list: '{0}' is no URL; a vdisk's marks are shown by `tlogplay info {0}`",
                    command.where));
  }
  TLOG_ASSIGN(const auto client, client_of(command));
  std::uint64_t after = command.after;
  for (std::uint64_t left = command.limit; left != 0;) {
    const std::uint64_t wanted = std::min(left, kPage);
    TLOG_ASSIGN(const std::uint64_t reached, print_page(*client, command, after, wanted, 0));
    if (reached - after < wanted) return {};
    left -= wanted;
    after = reached;
  }
  return {};
}

Status messages_follow(const MessagesCommand& command) {
  if (!is_url(command.where)) {
    return fail(Code::kInvalidArgument,
                fmt::format("follow: '{}' is no URL such as http://127.0.0.1:5000", command.where));
  }
  TLOG_ASSIGN(const auto client, client_of(command));
  for (std::uint64_t after = command.after; std::fflush(stdout) == 0;) {
    TLOG_ASSIGN(after, print_page(*client, command, after, kPage, kFollowSeconds));
  }
  return fail(Code::kIoError, "write: standard output failed");
}

Status echo(const MessagesCommand& command, bool interactive) {
  TLOG_ASSIGN(const auto client, client_of(command));
  const auto ask_one = [&](const std::string& text) -> Status {
    const std::string body = dumped(Json{{"message", text}});
    TLOG_ASSIGN(const Json answer, asked(*client, command, "/echo", &body, 200, kAnswerNs));
    const std::string line = command.json ? dumped(answer)
                                          : fmt::format("{}  {}", answer.value("timestamp", ""),
                                                        on_a_line(answer.value("message", "")));
    std::puts(line.c_str());
    std::fflush(stdout);
    return {};
  };
  if (!interactive) return ask_one(command.text);
  for (std::string line; std::getline(std::cin, line);) TLOG_TRY(ask_one(line));
  return {};
}

}  // namespace tlog::ctl
