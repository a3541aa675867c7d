// Reception: who connects, until it is known what for: the first message is a Hello, which becomes
// a session, or an Attach, which belongs to one, or a StatusRequest of who is no stranger, which is
// answered with the server's status. It bounds what strangers cost: how many of them there are, for
// how long, how often one may guess a session's token, and how often the status is put together.
//
// Threading: loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "server/serve/connection.h"
#include "server/serve/registry.h"
#include "server/serve/session.h"

namespace tlog::server {

class Reception : public std::enable_shared_from_this<Reception> {
 public:
  Reception(std::shared_ptr<Core> core, std::shared_ptr<Registry> registry)
      : core_(std::move(core)), registry_(std::move(registry)) {}

  void arrived(std::unique_ptr<net::Channel> channel);

  // A server that stops: strangers are sent away, sessions take no more records.
  void stop_receiving();
  void end_sessions(const Error& why);
  void abandon();  // closes all connections at once

  std::vector<SessionStatus> sessions() const;

 private:
  enum class Wants { kNothingYet, kOpening, kAttaching };
  struct Guest {
    std::shared_ptr<Connection> connection;
    io::TimerId timer = 0;
    Wants wants = Wants::kNothingYet;
  };
  using GuestId = std::uint64_t;  // in the order they came
  void first_said(GuestId id, protocol::FrameType type, Buffer body);
  void tell_status(GuestId id, const protocol::StatusRequest& request);
  Status check_status_request(const Connection& connection);
  const std::string& status_text();
  void hello(GuestId id, protocol::Hello hello);
  Status check_room(const Wish& wish) const;
  std::size_t readers() const;
  void open_writer(GuestId id, Wish wish);
  void open_reader(GuestId id, Wish wish);
  void opened(GuestId id, Session::Start start);
  void attach(GuestId id, const protocol::Attach& attach);
  void refuse(GuestId id, const Error& why);
  std::shared_ptr<Connection> leave(GuestId id);  // it is no guest any more
  void make_room();

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Registry> registry_;
  std::map<GuestId, Guest> guests_;
  GuestId last_guest_ = 0;
  std::size_t strangers_ = 0;        // of them that do not wait for a session
  std::size_t readers_opening_ = 0;  // also those that have gone meanwhile
  std::map<Uuid, std::shared_ptr<Session>> sessions_;
  std::string status_text_;  // as it was told last
  std::uint64_t status_made_ns_ = 0;
  std::vector<std::weak_ptr<Connection>> told_;  // who was told it, until they have closed
};

}  // namespace tlog::server
