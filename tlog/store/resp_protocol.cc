#include "tlog/store/resp_protocol.h"

#include <fmt/format.h>

#include <array>

namespace tlog::store {
namespace {

struct ErrorClass {
  std::string_view words;  // somewhere in the reply
  Code code;
  std::string_view remedy;
};

// The first that fits counts. All of these texts were seen from real servers.
constexpr std::array kErrorClasses = {
    ErrorClass{"No space left", Code::kNoSpace, "free space on the server's disk"},
    ErrorClass{"OOM ", Code::kNoSpace, "raise the server's maxmemory"},
    ErrorClass{"MISCONF", Code::kNoSpace, "free space on the server's disk"},
    ErrorClass{"READONLY", Code::kInvalidArgument,
               "give the address of the primary, not of a replica"},
    ErrorClass{"NOREPLICAS", Code::kUnavailable, "bring the server's replicas up"},
    ErrorClass{"LOADING", Code::kUnavailable, "wait until the server has loaded its data"},
    ErrorClass{"BUSY", Code::kUnavailable, "wait, or end the script that keeps the server busy"},
    ErrorClass{"MASTERDOWN", Code::kUnavailable, "bring the primary up"},
    ErrorClass{"max number of clients reached", Code::kUnavailable,
               "raise the server's maxclients"},
    ErrorClass{"NOAUTH", Code::kInvalidArgument, "give the server's password"},
    ErrorClass{"##Unknown error code:-1004", Code::kInvalidArgument, "give the server's password"},
    ErrorClass{"WRONGPASS", Code::kInvalidArgument, "give the right password"},
    ErrorClass{"invalid password", Code::kInvalidArgument, "give the right password"},
    ErrorClass{"NOPERM", Code::kInvalidArgument,
               "let the user run SET, GET, STRLEN, DEL, SCAN and INFO"},
    ErrorClass{"AUTH", Code::kInvalidArgument, "the server has no password: remove it here"},
    ErrorClass{"DB index", Code::kInvalidArgument, "choose a database that the server has"},
    ErrorClass{"MOVED ", Code::kInvalidArgument,
               "give stand-alone servers, not nodes of a redis cluster"},
    ErrorClass{"ASK ", Code::kInvalidArgument,
               "give stand-alone servers, not nodes of a redis cluster"},
    ErrorClass{"CLUSTERDOWN", Code::kInvalidArgument,
               "give stand-alone servers, not nodes of a redis cluster"},
    ErrorClass{"CROSSSLOT", Code::kInvalidArgument,
               "give stand-alone servers, not nodes of a redis cluster"},
    ErrorClass{"WRONGTYPE", Code::kCorruption,
               "another program uses our keys; give the log a database of its own"},
};

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
  for (const ErrorClass& entry : kErrorClasses) {
    if (text.find(entry.words) != std::string_view::npos) {
      return Error(entry.code, fmt::format("the server says \"{}\"; {}", text, entry.remedy));
    }
  }
  return Error(Code::kIoError, fmt::format("the server says \"{}\"", text));
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

Status check_eviction_policy(std::string_view policy) {
  if (policy.empty() || policy == "noeviction") return {};
  return fail(Code::kInvalidArgument,
              fmt::format("its maxmemory-policy {} drops keys without a word; set it to noeviction",
                          policy));
}

}  // namespace tlog::store
