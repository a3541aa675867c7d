// File: tests/sim/sim_server.h
// Network and SimServer: simulated redis-protocol servers, each a small key and hash server with
// the semantics of the suite's ardb double, and the connections to them. What real servers and
// networks do to a log they do on demand: answer late, or never; execute what a client sent long
// after it has gone; stop and go on; die and come back without their newest, unsynced values, or
// empty; lose everything while they run; rot; be full.
//
// A connection keeps its order, as TCP does; between connections nothing is ordered.
// Threading: the World's.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/world.h"
#include "tests/support/ardb_commands.h"
#include "tests/support/resp_framing.h"
#include "tlog/base/result.h"

namespace tlog::sim {

class SimServer;

// One connection. The client holds it, and what is on its way.
class Link : public std::enable_shared_from_this<Link> {
 public:
  Link(World& world, SimServer& server, std::uint64_t life, std::string address)
      : world_(world), server_(server), life_(life) {
    session_.address = std::move(address);
  }

  std::function<void(const std::string&)> on_reply;
  std::function<void()> on_closed;

  void send(std::string bytes);  // to the server
  void client_closes();          // what it has sent may still arrive

 private:
  friend class SimServer;
  std::uint64_t way(std::uint64_t& last_ns);
  void arrive();
  void execute(const std::string& bytes);
  void reply(std::string bytes);
  void deliver();
  void server_ended();
  void kill_if_asked();  // CLIENT KILL: what it has not executed it never will
  bool may_execute() const;
  void go_on();  // the server is not stopped, or not cut off, any more

  World& world_;
  SimServer& server_;
  const std::uint64_t life_;  // of the server
  bool client_open_ = true;
  testing::RespFraming framing_;
  testing::ArdbCommands::Session session_;
  // What is on its way, in order, and how many of them wait for the server or the way to go on.
  std::deque<std::string> requests_;
  std::deque<std::string> replies_;
  unsigned requests_held_ = 0;
  unsigned replies_held_ = 0;
  std::uint64_t request_ns_ = 0;  // when the last one arrives
  std::uint64_t reply_ns_ = 0;
};

// How bad the way to a server is.
struct Latency {
  std::uint64_t least_ns = 20 * kMicrosecond;
  std::uint64_t most_ns = 300 * kMicrosecond;
};

class SimServer {
 public:
  using Words = std::vector<std::string>;
  struct Change {
    std::uint64_t at_ns;
    Words words;
  };
  using Contents = std::vector<Change>;  // all that made them what they are

  SimServer(World& world, unsigned index, const std::string& host);
  ~SimServer();

  const std::string& address() const { return address_; }
  unsigned index() const { return index_; }

  // Faults. Each holds until it is taken back.
  // If it loses something, it is by chance some of the newest that it had not synced.
  void kill(bool loses);
  void start();
  void start_empty();
  bool running() const { return running_; }
  void stop(bool on);     // SIGSTOP: connections are accepted, nothing is answered
  void cut_off(bool on);  // nothing passes; what is on its way waits
  void set_full(bool on) { commands_->full = on; }
  void set_latency(Latency latency) { latency_ = latency; }
  void set_back();  // restarted with what it had at some moment before
  void flush_all();
  bool reachable() const {
    return running_ && !stopped_ && !cut_off_ && !commands_->full &&
           latency_.most_ns < 100 * kMillisecond;
  }
  // Lies: it says OK to SET, and to HMSET of blocks, and keeps nothing. No contract allows it; the
  // checker must see it.
  void set_forgetful(bool on) { forgetful_ = on; }

  // What is in it, for checks and faults: nothing of this is seen by the product.
  Contents contents() const { return changes_; }
  void set_contents(const Contents& contents);
  std::optional<std::string> value(const std::string& key);
  void overwrite(const std::string& key, const std::string& value);
  void remove(const std::string& key);
  std::map<std::string, std::string> fields(const std::string& key);  // of a hash
  void overwrite_field(const std::string& key, const std::string& field, const std::string& value);
  // What has gone out to it is executed also when its connection has ended, as far as it was not
  // killed: at the latest when the server goes on.
  void keep_links_of_who_has_gone() { keeps_gone_ = true; }
  std::function<void()> on_change;  // its contents are others now

 private:
  friend class Link;
  friend class Network;
  std::string run(const Words& words, testing::ArdbCommands::Session& session);
  void rebuild();
  void change(Words words);
  std::size_t synced() const;
  void links_go_on();
  void each_session(const std::function<void(testing::ArdbCommands::Session&)>& visit);
  std::vector<std::shared_ptr<Link>> live_links();
  void changed() {
    if (on_change) on_change();
  }

  World& world_;
  const unsigned index_;
  const std::string host_;
  const std::string address_;
  std::unique_ptr<testing::ArdbCommands> commands_;
  Contents changes_;
  std::uint64_t sync_lag_ns_ = 0;  // what is older is synced
  std::uint64_t life_ = 1;
  bool running_ = true;
  bool stopped_ = false;
  bool cut_off_ = false;
  bool forgetful_ = false;
  Latency latency_;
  std::vector<std::weak_ptr<Link>> links_;
  bool keeps_gone_ = false;
  std::vector<std::shared_ptr<Link>> gone_;  // clients have, their requests have not
  std::uint64_t connected_ = 0;              // so often
};

class Network {
 public:
  using LinkDone = std::function<void(Result<std::shared_ptr<Link>>)>;
  // `host`: what its servers are called; another network's are called otherwise.
  Network(World& world, unsigned servers, const std::string& host = "server");

  std::size_t size() const { return servers_.size(); }
  SimServer& operator[](std::size_t index) { return *servers_[index]; }
  void connect(const std::string& address, std::uint64_t timeout_ns, LinkDone done);
  // Who is connected to this one reaches the other's servers, too.
  void lead_to(Network& other) { other_ = &other; }

 private:
  World& world_;
  Network* other_ = nullptr;
  std::vector<std::unique_ptr<SimServer>> servers_;
};

}  // namespace tlog::sim
