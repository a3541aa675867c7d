// Filling: servers that lack what the source has let go are sent it from another server's log. Each
// record's hash is verified on the way. The source is asked again after each piece.
//
// A server whose log has gone another way (it has what was never acknowledged, of a writer that was
// taken over) must not be mixed with the others: before a server is sent anything its newest
// record is compared with the same record of the source, or of a server that has been compared.
// Where nobody has that, only a log is taken as it is that was there when sending began, or that
// has been compared already in this client's life.
//
// Threading: loop's thread; hashes are verified on the workers.
// Memory: one frame's records per server that is filled, besides what waits to be sent to it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/client/link.h"

namespace tlog::client {

class Filling {
 public:
  struct Parts {  // borrowed
    const LogClient::Parts* client = nullptr;
    const std::vector<std::unique_ptr<Link>>* links = nullptr;
    std::shared_ptr<UseGate> gate;
  };
  explicit Filling(Parts parts);
  ~Filling();

  // The source does not have `first`, and what it has let go reaches up to `released` at least.
  void want(Link& target, Sequence first, Sequence released);
  // Something has changed, for instance that a server is there: those who lack something look
  // again.
  void look_again();
  void records(Link& source, Buffer body);
  void replied(Link& source, const protocol::Reply& reply);
  void has_room(Link& target);
  void gone(Link& link);  // its connection has ended
  void stop();            // for good

 private:
  struct Read {
    std::uint64_t serial = 0;
    Link* target = nullptr;
    Link* source = nullptr;
    std::uint64_t id = 0;  // of the request
    Sequence first = 0;    // wanted
    Sequence next = 0;     // not come yet
    Sequence last = 0;
    bool replied = false;
    bool verifying = false;
    bool paused = false;            // the target has no room
    std::uint64_t progress_ns = 0;  // monotonic
  };
  struct Lack {          // of one server
    Sequence first = 0;  // 0: of nothing
    Sequence released = 0;
  };
  struct Choice {
    Link* source = nullptr;
    bool wait = false;  // there may be one soon
  };
  void tick();
  void look(Link& target);
  bool settle_comparison(Link& target);
  void settled(Link& target, bool for_certain);  // it lacks nothing (that is known)
  Choice choose(const Link& target, Sequence first) const;
  void begin(Link& target, Link& source);
  void say_what_is_missing(Link& target);
  void verified(std::uint64_t serial, Result<protocol::DecodedBatch> decoded);
  bool take(Read& read, protocol::DecodedBatch decoded);
  void go_on(Read& read);
  void finish(Read& read);
  void fail_read(Read& read, const Error& error);
  void drop_read(Read& read);
  void end_read(Read& read);
  Read* of_source(const Link& link);
  Read* of_target(const Link& link);

  const Parts parts_;
  std::vector<Lack> lacks_;                    // by the link's index
  std::vector<std::uint64_t> avoid_until_ns_;  // likewise: could not be read from
  std::vector<std::unique_ptr<Read>> reads_;   // at most one per target and per source
  std::uint64_t serials_ = 0;
  io::TimerId tick_ = 0;
  std::shared_ptr<int> life_ = std::make_shared<int>();
};

}  // namespace tlog::client
