#include "tlog/store/resp_protocol.h"

#include <fmt/format.h>

#include <array>

namespace tlog::store {
namespace {

struct ErrorClass {
  std::string_view words;  // somewhere in the reply
  Code code;
  StoreState state;
  std::string_view remedy;
};

// The first that fits counts. All of these texts were seen from real servers.
constexpr std::array kErrorClasses = {
    ErrorClass{"No space left", Code::kNoSpace, StoreState::kFull,
               "free space on the server's disk"},
    ErrorClass{"OOM ", Code::kNoSpace, StoreState::kFull, "raise the server's maxmemory"},
    ErrorClass{"MISCONF", Code::kNoSpace, StoreState::kFull, "free space on the server's disk"},
    ErrorClass{"READONLY", Code::kInvalidArgument, StoreState::kReadOnly,
               "give the address of the primary, not of a replica"},
    ErrorClass{"NOREPLICAS", Code::kUnavailable, StoreState::kBusy,
               "bring the server's replicas up"},
    ErrorClass{"LOADING", Code::kUnavailable, StoreState::kBusy,
               "wait until the server has loaded its data"},
    ErrorClass{"BUSY", Code::kUnavailable, StoreState::kBusy,
               "wait, or end the script that keeps the server busy"},
    ErrorClass{"MASTERDOWN", Code::kUnavailable, StoreState::kBusy, "bring the primary up"},
    ErrorClass{"max number of clients reached", Code::kUnavailable, StoreState::kBusy,
               "raise the server's maxclients"},
    ErrorClass{"NOAUTH", Code::kInvalidArgument, StoreState::kRefused,
               "give the server's password"},
    ErrorClass{"##Unknown error code:-1004", Code::kInvalidArgument, StoreState::kRefused,
               "give the server's password"},
    ErrorClass{"WRONGPASS", Code::kInvalidArgument, StoreState::kRefused,
               "give the right password"},
    ErrorClass{"invalid password", Code::kInvalidArgument, StoreState::kRefused,
               "give the right password"},
    ErrorClass{"NOPERM", Code::kInvalidArgument, StoreState::kRefused,
               "let the user run SET, GET, STRLEN, DEL, SCAN, INFO, HGET, HMGET, HSET and HSETNX"},
    ErrorClass{"AUTH", Code::kInvalidArgument, StoreState::kRefused,
               "the server has no password: remove it here"},
    ErrorClass{"DB index", Code::kInvalidArgument, StoreState::kRefused,
               "choose a database that the server has"},
    ErrorClass{"MOVED ", Code::kInvalidArgument, StoreState::kRefused,
               "give stand-alone servers, not nodes of a redis cluster"},
    ErrorClass{"ASK ", Code::kInvalidArgument, StoreState::kRefused,
               "give stand-alone servers, not nodes of a redis cluster"},
    ErrorClass{"CLUSTERDOWN", Code::kInvalidArgument, StoreState::kRefused,
               "give stand-alone servers, not nodes of a redis cluster"},
    ErrorClass{"CROSSSLOT", Code::kInvalidArgument, StoreState::kRefused,
               "give stand-alone servers, not nodes of a redis cluster"},
    ErrorClass{"WRONGTYPE", Code::kCorruption, StoreState::kMismatch,
               "another program uses our keys; give the log a database of its own"},
};

const ErrorClass* class_of(std::string_view text) {
  for (const ErrorClass& entry : kErrorClasses) {
    if (text.find(entry.words) != std::string_view::npos) return &entry;
  }
  return nullptr;
}

}  // namespace

void append_word(std::string& to, std::string_view word) {
  fmt::format_to(std::back_inserter(to), "${}\r\n", word.size());
  to += word;
  to += kLineEnd;
}

std::string command_head(std::size_t words) {
  return fmt::format("*{}\r\n", words);
}

std::string encode_command(std::initializer_list<std::string_view> words) {
  std::string text = command_head(words.size());
  for (std::string_view word : words) append_word(text, word);
  return text;
}

std::string encode_set_head(std::string_view key, std::uint64_t value_size) {
  std::string text = "*3\r\n$3\r\nSET\r\n";
  append_word(text, key);
  fmt::format_to(std::back_inserter(text), "${}\r\n", value_size);
  return text;
}

std::string prefix_pattern(std::string_view prefix) {
  std::string pattern;
  for (char c : prefix) {
    if (std::string_view("*?[]\\^").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern + "*";
}

Error error_of_reply(std::string_view text) {
  const ErrorClass* known = class_of(text);
  if (known == nullptr) return Error(Code::kIoError, fmt::format("the server says \"{}\"", text));
  return Error(known->code, fmt::format("the server says \"{}\"; {}", text, known->remedy));
}

StoreState state_of_reply(std::string_view text) {
  const ErrorClass* known = class_of(text);
  return known == nullptr ? StoreState::kDown : known->state;
}

ServerInfo parse_info(std::string_view text) {
  ServerInfo info;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    if (name == "ardb_version") info.is_ardb = true;
    if (name == "engine") info.engine = value;
    if (name == "cluster_enabled") info.is_cluster_node = value == "1";
    if (name == "role") info.is_replica = value == "slave" || value == "replica";
    if (name == "loading") info.is_loading = value == "1";
    if (name == "maxmemory_policy") info.eviction_policy = value;
    if (name == "run_id") info.run_id = value;
    if (name == "aof_enabled") info.has_no_append_only_file = value == "0";
  }
  return info;
}

Status check_server(const ServerInfo& info) {
  if (info.is_loading) {
    return fail(Code::kUnavailable, "the server is still loading its data; wait");
  }
  if (info.is_ardb && info.engine.find("lmdb") != std::string::npos) {
    return fail(Code::kInvalidArgument,
                "ardb with the lmdb engine loses acknowledged writes; use its rocksdb engine");
  }
  if (info.is_cluster_node) {
    return fail(Code::kInvalidArgument,
                "it is a node of a redis cluster, which moves keys between servers; give "
                "stand-alone servers");
  }
  if (info.is_replica) {
    return fail(Code::kInvalidArgument, "it is a replica; give the address of the primary");
  }
  return {};
}

std::string warn_of_persistence(std::string_view save) {
  if (!save.empty()) return "";
  return "no persistence: a restart loses everything it has; set appendonly yes (or save) in the "
         "server's configuration";
}

Status check_eviction_policy(std::string_view policy) {
  if (policy.empty() || policy == "noeviction") return {};
  return fail(Code::kInvalidArgument,
              fmt::format("its maxmemory-policy {} drops keys without a word; set it to noeviction",
                          policy));
}

}  // namespace tlog::store
