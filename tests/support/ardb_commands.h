// File: tests/support/ardb_commands.h
// What ArdbDouble answers to a command: its values and ardb's words. Threading: one thread, except
// for the switches.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tlog::testing {

class ArdbCommands {
 public:
  ArdbCommands(std::string password, std::string engine)
      : password_(std::move(password)), engine_(std::move(engine)) {}

  // Of one connection.
  struct Session {
    bool authenticated = false;
    std::string db = "0";
    std::string address{};
    std::string name{};
    bool killed = false;
  };
  // Calls it with each connection's session, for CLIENT.
  std::function<void(const std::function<void(Session&)>&)> each_session;

  struct Answer {
    std::string bytes;
    bool hang_up = false;
  };
  Answer run(const std::vector<std::string>& words, Session& session);

  std::atomic<bool> full = false;
  std::atomic<bool> replica = false;
  std::atomic<unsigned> starts = 1;  // so often the server was started

 private:
  struct Value {
    bool is_hash = false;
    std::string text;
    std::map<std::string, std::string> fields;
  };
  using Words = std::vector<std::string>;
  using Keys = std::map<std::string, Value>;
  struct Command;
  static const std::map<std::string, Command>& table();

  std::string client(const Words& words, Session& session) const;
  std::string auth(const Words& words, Session& session) const;
  std::string info() const;
  std::string set(const Words& words, Keys& keys);
  std::string get(const Words& words, Keys& keys);
  std::string strlen(const Words& words, Keys& keys);
  std::string remove(const Words& words, Keys& keys);
  std::string set_fields(const Words& words, Keys& keys);
  std::string set_new_field(const Words& words, Keys& keys);
  std::string get_fields(const Words& words, Keys& keys);
  std::string get_all_fields(const Words& words, Keys& keys);
  std::string remove_fields(const Words& words, Keys& keys);
  std::string scan(const Words& words, Keys& keys);
  std::string wipe(const Words& words, Keys& keys);

  const std::string password_;
  const std::string engine_;
  std::map<std::string, Keys> databases_;
  std::map<std::string, std::string> cursors_;  // of SCAN -> the last key that was given
};

}  // namespace tlog::testing
