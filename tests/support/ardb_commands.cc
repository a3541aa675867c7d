#include "tests/support/ardb_commands.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <functional>

namespace tlog::testing {
namespace {

std::string status(std::string_view text) {
  return fmt::format("+{}\r\n", text);
}
std::string error(std::string_view text) {
  return fmt::format("-ERR {}\r\n", text);
}
std::string integer(std::int64_t value) {
  return fmt::format(":{}\r\n", value);
}
std::string bulk(std::string_view value) {
  return fmt::format("${}\r\n{}\r\n", value.size(), value);
}
const std::string kNil = "$-1\r\n";
const std::string kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string wrong_arity(const std::string& name) {
  return error(fmt::format("wrong number of arguments for '{}' command", name));
}

constexpr std::size_t kAny = 1'000'000;  // words

}  // namespace

struct ArdbCommands::Command {
  std::size_t words_min;
  std::size_t words_max;
  bool writes;
  std::function<std::string(ArdbCommands&, const Words&, Session&, Keys&)> run;
};

const std::map<std::string, ArdbCommands::Command>& ArdbCommands::table() {
  using Handler = std::string (ArdbCommands::*)(const Words&, Keys&);
  const auto on_keys = [](Handler handler) {
    return [handler](ArdbCommands& self, const Words& words, Session&, Keys& keys) {
      return (self.*handler)(words, keys);
    };
  };
  const auto answer = [](std::string text) {
    return [text = std::move(text)](ArdbCommands&, const Words&, Session&, Keys&) { return text; };
  };
  static const std::map<std::string, Command> commands = {
      {"auth",
       {2, 2, false,
        [](ArdbCommands& self, const Words& words, Session& session, Keys&) {
          return self.auth(words, session);
        }}},
      {"select",
       {2, 2, false,
        [](ArdbCommands&, const Words& words, Session& session, Keys&) {
          session.db = words[1];
          return status("OK");
        }}},
      {"ping",
       {1, 2, false,
        [](ArdbCommands&, const Words& words, Session&, Keys&) {
          return status(words.size() == 2 ? words[1] : "PONG");
        }}},
      {"info",
       {1, 2, false,
        [](ArdbCommands& self, const Words&, Session&, Keys&) { return bulk(self.info()); }}},
      {"config",
       {2, kAny, false,
        [](ArdbCommands&, const Words& words, Session&, Keys&) {
          return lower(words[1]) == "get" ? "*0\r\n" : status("OK");
        }}},
      {"client",
       {2, kAny, false,
        [](ArdbCommands& self, const Words& words, Session& session, Keys&) {
          return self.client(words, session);
        }}},
      {"dbsize", {1, 1, false, answer(integer(-1))}},
      {"set", {3, kAny, true, on_keys(&ArdbCommands::set)}},
      {"get", {2, 2, false, on_keys(&ArdbCommands::get)}},
      {"strlen", {2, 2, false, on_keys(&ArdbCommands::strlen)}},
      {"exists",
       {2, 2, false,
        [](ArdbCommands&, const Words& words, Session&, Keys& keys) {
          return integer(static_cast<std::int64_t>(keys.count(words[1])));
        }}},
      {"del", {2, kAny, true, on_keys(&ArdbCommands::remove)}},
      {"unlink", {2, kAny, true, on_keys(&ArdbCommands::remove)}},
      {"hset", {4, kAny, true, on_keys(&ArdbCommands::set_fields)}},
      {"hmset", {4, kAny, true, on_keys(&ArdbCommands::set_fields)}},
      {"hsetnx", {4, 4, true, on_keys(&ArdbCommands::set_new_field)}},
      {"hget", {3, 3, false, on_keys(&ArdbCommands::get_fields)}},
      {"hmget", {3, kAny, false, on_keys(&ArdbCommands::get_fields)}},
      {"hgetall", {2, 2, false, on_keys(&ArdbCommands::get_all_fields)}},
      {"hdel", {3, kAny, true, on_keys(&ArdbCommands::remove_fields)}},
      {"scan", {2, 6, false, on_keys(&ArdbCommands::scan)}},
      {"flushall", {1, 1, true, on_keys(&ArdbCommands::wipe)}},
      {"flushdb", {1, 1, true, on_keys(&ArdbCommands::wipe)}},
  };
  return commands;
}

ArdbCommands::Answer ArdbCommands::run(const Words& words, Session& session) {
  const std::string name = words.empty() ? "" : lower(words[0]);
  const auto found = table().find(name);
  if (found == table().end())
    return {error("unknown command:" + (words.empty() ? "" : words[0])), true};
  const Command& command = found->second;
  if (words.size() < command.words_min || words.size() > command.words_max)
    return {wrong_arity(name)};
  if (name != "auth" && !password_.empty() && !session.authenticated)
    return {error("##Unknown error code:-1004")};
  if (command.writes && full) return {error("IO error: No space left on device")};
  if (command.writes && replica)
    return {"-READONLY You can't write against a read only slave.\r\n"};
  return {command.run(*this, words, session, databases_[session.db])};
}

std::string ArdbCommands::auth(const Words& words, Session& session) const {
  if (password_.empty()) return error("Client sent AUTH, but no password is set");
  session.authenticated = words[1] == password_;
  return session.authenticated ? status("OK") : error("invalid password");
}

std::string ArdbCommands::client(const Words& words, Session& session) const {
  const std::string what = lower(words[1]);
  if (what == "setname" && words.size() == 3) {
    session.name = words[2];
    return status("OK");
  }
  if (what == "list") {
    std::string list;
    each_session([&](const Session& one) {
      list += fmt::format("id=1 addr={} fd=9 name={} age=0 idle=0 db={} cmd=client \n", one.address,
                          one.name, one.db);
    });
    return bulk(list);
  }
  // The older form only; one's own connection is left alone.
  if (what == "kill" && words.size() == 3) {
    each_session([&](Session& one) {
      if (one.address == words[2] && &one != &session) one.killed = true;
    });
    return status("OK");
  }
  if (what == "kill") return error("syntax error");
  return error("CLIENT subcommand must be one of LIST, GETNAME, SETNAME, KILL, PAUSE");
}

std::string ArdbCommands::info() const {
  return fmt::format(
      "# Server\r\nardb_version:0.10.0\r\nredis_version:2.8.0\r\nengine:{}\r\n"
      "run_id:{:040x}\r\n\r\n# Replication\r\nrole:{}\r\n",
      engine_, starts.load(), replica ? "slave" : "master");
}

// ---- Strings ----

std::string ArdbCommands::set(const Words& words, Keys& keys) {
  const bool exists = keys.count(words[1]) > 0;
  bool refused = false;
  for (std::size_t i = 3; i < words.size(); ++i) {
    const std::string option = lower(words[i]);
    if (option == "nx")
      refused = refused || exists;
    else if (option == "xx")
      refused = refused || !exists;
    else
      return error("syntax error");
  }
  if (refused) return kNil;
  keys[words[1]] = Value{.is_hash = false, .text = words[2], .fields = {}};
  return status("OK");
}

std::string ArdbCommands::get(const Words& words, Keys& keys) {
  const auto found = keys.find(words[1]);
  return found == keys.end() || found->second.is_hash ? kNil : bulk(found->second.text);
}

std::string ArdbCommands::strlen(const Words& words, Keys& keys) {
  const auto found = keys.find(words[1]);
  return integer(found == keys.end() ? 0 : static_cast<std::int64_t>(found->second.text.size()));
}

std::string ArdbCommands::remove(const Words& words, Keys& keys) {
  std::int64_t removed = 0;
  for (std::size_t i = 1; i < words.size(); ++i)
    removed += static_cast<std::int64_t>(keys.erase(words[i]));
  return integer(removed);
}

// ---- Hashes ----

std::string ArdbCommands::set_fields(const Words& words, Keys& keys) {
  if (words.size() % 2 != 0) return wrong_arity(lower(words[0]));
  Value& value =
      keys.try_emplace(words[1], Value{.is_hash = true, .text = {}, .fields = {}}).first->second;
  if (!value.is_hash) return kWrongType;
  for (std::size_t i = 2; i < words.size(); i += 2) value.fields[words[i]] = words[i + 1];
  return lower(words[0]) == "hmset" ? status("OK") : integer(1);
}

std::string ArdbCommands::set_new_field(const Words& words, Keys& keys) {
  Value& value =
      keys.try_emplace(words[1], Value{.is_hash = true, .text = {}, .fields = {}}).first->second;
  if (!value.is_hash) return kWrongType;
  return integer(value.fields.emplace(words[2], words[3]).second ? 1 : 0);
}

std::string ArdbCommands::get_fields(const Words& words, Keys& keys) {
  const auto found = keys.find(words[1]);
  std::string values;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const bool is_hash = found != keys.end() && found->second.is_hash;
    const bool has_field = is_hash && found->second.fields.count(words[i]) > 0;
    values += has_field ? bulk(found->second.fields.at(words[i])) : kNil;
  }
  if (lower(words[0]) == "hget") return values;
  return fmt::format("*{}\r\n{}", words.size() - 2, values);
}

std::string ArdbCommands::get_all_fields(const Words& words, Keys& keys) {
  const auto found = keys.find(words[1]);
  if (found == keys.end() || !found->second.is_hash) return "*0\r\n";
  std::string all;
  for (const auto& [field, value] : found->second.fields) all += bulk(field) + bulk(value);
  return fmt::format("*{}\r\n{}", 2 * found->second.fields.size(), all);
}

std::string ArdbCommands::remove_fields(const Words& words, Keys& keys) {
  const auto found = keys.find(words[1]);
  std::int64_t removed = 0;
  if (found == keys.end()) return integer(removed);
  for (std::size_t i = 2; i < words.size(); ++i)
    removed += static_cast<std::int64_t>(found->second.fields.erase(words[i]));
  if (found->second.is_hash && found->second.fields.empty()) keys.erase(found);
  return integer(removed);
}

// ---- All keys ----

// SCAN cursor [MATCH pattern] [COUNT n]; ardb has no TYPE.
std::string ArdbCommands::scan(const Words& words, Keys& keys) {
  std::string pattern = "*";
  std::size_t count = 10;
  for (std::size_t i = 2; i < words.size(); i += 2) {
    const std::string option = lower(words[i]);
    if (i + 1 == words.size() || (option != "match" && option != "count"))
      return wrong_arity("scan");
    const std::string& value = words[i + 1];
    if (option == "match")
      pattern = value;
    else if (std::from_chars(value.data(), value.data() + value.size(), count).ec != std::errc())
      return error("value is not an integer or out of range");
  }
  auto at = keys.begin();
  if (words[1] != "0") {
    const auto cursor = cursors_.find(words[1]);
    if (cursor == cursors_.end()) return error("invalid cursor");  // the words are not ardb's
    at = keys.upper_bound(cursor->second);
  }
  std::string page;
  std::size_t given = 0;
  std::string last;
  for (std::size_t seen = 0; at != keys.end() && seen < count; ++at, ++seen) {
    last = at->first;
    if (::fnmatch(pattern.c_str(), last.c_str(), 0) != 0) continue;
    page += bulk(last);
    ++given;
  }
  std::string next = "0";
  if (at != keys.end()) {
    next = std::to_string(1000 + cursors_.size());
    cursors_[next] = last;
  }
  return fmt::format("*2\r\n{}*{}\r\n{}", bulk(next), given, page);
}

std::string ArdbCommands::wipe(const Words& words, Keys& keys) {
  if (lower(words[0]) == "flushdb")
    keys.clear();
  else
    databases_.clear();
  return status("OK");
}

}  // namespace tlog::testing
