// File: tlog/store/resp_handshake.h
// What is said on a new connection before anything else: password, database, INFO (what kind of
// server it is, and whether it may hold shards at all), and for a vdisk's store who the server is.
// A writer's handshake also marks a server that is new to the vdisk.
//
// Threading: the loop's thread only. One per connection; RespSelf outlives connections.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "tlog/store/resp_identity.h"
#include "tlog/store/resp_protocol.h"
#include "tlog/store/stores.h"

namespace tlog::store {

// What a store knows of the server it wants, from connection to connection.
struct RespSelf {
  std::optional<Expectation> expected;
  bool is_writer = false;          // enroll() was called
  Epoch epoch = 0;                 // of that
  bool may_mark_anew = false;      // readopt() was called
  std::string run_id;              // of the last connection that came up
  std::string mark;                // the vdisk's mark in the server; "": none has to be there
  Uuid server;                     // nil: not known
  KnownServer marked;              // a writer's: for kEnrolled
  std::optional<EpochClaim> held;  // by hold()
  Epoch granted = 0;               // the claim that was granted in this connection

  Epoch held_epoch() const { return held ? held->epoch : 0; }  // 0 is nobody's

  const KnownServer* known() const {
    if (!expected || expected->index >= expected->servers.size()) return nullptr;
    return &expected->servers[expected->index];
  }
  bool is_rebuilding() const { return known() != nullptr && known()->rebuilding; }
};

// Why a connection is given up.
struct Refusal {
  StoreState state = StoreState::kDown;
  Error error;
  bool lasts = false;  // somebody has to act first: no hurry with the next attempt
};

using RespCheck = std::function<Status(const RespReply&)>;

class RespHandshake {
 public:
  using Send = std::function<void(ConstByteSpan)>;  // the bytes live as long as the handshake
  RespHandshake(const RespStoreOptions& options, RespSelf& self, Send send)
      : options_(options), self_(self), send_(std::move(send)) {}

  // Before begin(): called when the server was found usable, to greet() it.
  void on_usable(std::function<void(const ServerInfo&)> usable) { usable_ = std::move(usable); }
  // A check that answers kInvalidArgument refuses the server for longer.
  void greet(const std::string& command, RespCheck check);

  void begin();
  // The next reply. A refusal ends it.
  std::optional<Refusal> take(const RespReply& reply);
  bool done() const { return checks_.empty(); }

  const ServerInfo& info() const { return info_; }
  const std::string& warning() const { return warning_; }
  // Since a writer settled it last, as the server's own note says.
  bool restarted() const {
    return !anew_ && !found_.mark.empty() && !info_.run_id.empty() && found_.run != info_.run_id;
  }
  bool marked_anew() const { return anew_; }

 private:
  using Check = std::optional<Refusal> (RespHandshake::*)(const RespReply&);
  using AnyCheck = std::function<std::optional<Refusal>(const RespReply&)>;
  void say(std::initializer_list<std::string_view> words, Check check);
  void say(std::string command, AnyCheck check);
  void ask_who_it_is();
  std::optional<Refusal> check_ok(const RespReply& reply);
  std::optional<Refusal> check_info(const RespReply& reply);
  std::optional<Refusal> check_policy(const RespReply& reply);
  std::optional<Refusal> check_save(const RespReply& reply);
  std::optional<Refusal> check_server(const RespReply& reply);
  std::optional<Refusal> check_marks(const RespReply& reply);
  std::optional<Refusal> check_set(const RespReply& reply);
  std::optional<Refusal> check_noted(const RespReply& reply);
  std::optional<Refusal> check_epoch(const RespReply& reply);
  std::optional<Refusal> check_new_server(const RespReply& reply);
  std::optional<Refusal> check_name_kept(const RespReply& reply);
  std::optional<Refusal> check_new_mark(const RespReply& reply);
  std::optional<Epoch> marked_by_another() const;
  void name_server(const Verdict& verdict);
  Epoch known_since() const { return self_.known() == nullptr ? 0 : self_.known()->since; }
  std::optional<Refusal> take_mark(const Mark& mark);

  const RespStoreOptions& options_;
  RespSelf& self_;
  const Send send_;
  std::deque<std::string> sayings_;
  std::deque<AnyCheck> checks_;
  std::function<void(const ServerInfo&)> usable_;
  ServerInfo info_;
  std::string warning_;
  FoundIdentity found_;
  Mark wanted_;
  bool anew_ = false;  // it was wiped: its mark is replaced
};

}  // namespace tlog::store
