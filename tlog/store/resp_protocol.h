// File: tlog/store/resp_protocol.h
// What is said to a redis-protocol server and what its words mean. Only commands that redis,
// valkey, kvrocks and ardb share: ardb closes the connection after an unknown one. Threading: any
// thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "tlog/base/types.h"
#include "tlog/store/resp_reply.h"
#include "tlog/store/store.h"

namespace tlog::store {

std::string encode_command(std::initializer_list<std::string_view> words);
// The same in steps, for commands of many words: the head, then each word.
std::string command_head(std::size_t words);
void append_word(std::string& to, std::string_view word);
// SET up to its value, which follows, and then kLineEnd.
std::string encode_set_head(std::string_view key, std::uint64_t value_size);
inline constexpr std::string_view kLineEnd = "\r\n";

// `prefix` as a pattern of SCAN that matches every key that begins with it.
std::string prefix_pattern(std::string_view prefix);

// What an error reply means. kNoSpace: full, reads go on. kUnavailable: may pass. kInvalidArgument:
// somebody must change something. kCorruption: foreign data under our key. kIoError: not known.
Error error_of_reply(std::string_view text);
// What a server that answers so is good for.
StoreState state_of_reply(std::string_view text);

// The server's description of itself, as far as we care.
struct ServerInfo {
  bool is_ardb = false;
  std::string engine;  // of ardb
  bool is_cluster_node = false;
  bool is_replica = false;
  bool is_loading = false;
  std::string eviction_policy;           // "" when INFO does not say
  std::string run_id;                    // another one after each start; "" when INFO does not say
  bool has_no_append_only_file = false;  // it says so; ardb and others do not speak of it
};
ServerInfo parse_info(std::string_view text);
// Why such a server must not hold shards, if so.
Status check_server(const ServerInfo& info);
Status check_eviction_policy(std::string_view policy);
// What to say of a server whose CONFIG GET save answers this, and that has no append-only file; ""
// when it saves snapshots.
std::string warn_of_persistence(std::string_view save);

}  // namespace tlog::store
