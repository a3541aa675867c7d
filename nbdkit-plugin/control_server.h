// File: nbdkit-plugin/control_server.h
// ControlServer: the Unix socket by which tlogctl reaches this process (ctl/control_protocol.h).
//
// Life: bind (before the fork, while errors still reach the user's terminal; starts no thread) ->
// start (after the fork) -> stop (every thread joined; a flush that waits is answered "shutdown").
// stop() after Engine::stop_waiting(), which ends waits for a standby, and before Engine::stop().
//
// A client can do no more than hold its own thread: there are at most kClientsMax, requests and
// answers are bounded in length and time, and when all threads are taken the client that has been
// idle longest is hung up on. Only who may write to the socket's file (mode 0600) gets that far.
//
// Threading: bind, start and stop from one thread each after the other; stop() may come from
// another. Errors of bind: kUnavailable when another server listens there, kAlreadyExists when
// something else has that name.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <list>
#include <string>
#include <thread>

#include "ctl/control_protocol.h"
#include "ctl/control_socket.h"
#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/session/engine.h"
#include "tlog/session/reloader.h"

namespace tlog::plugin {

struct ControlLimits {
  std::size_t clients_max = 16;
  std::uint64_t idle_ms_max = 60'000;  // between a client's requests
  std::uint64_t send_ms_max = 10'000;  // for a client to take its answer
};

class ControlServer {
 public:
  // Borrowed: must outlive the server.
  ControlServer(session::Engine& engine, const Clock& clock, Logger& logger,
                ControlLimits limits = {});
  ~ControlServer();  // stops
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Before start(); borrowed. Without it there is nothing to reload.
  void serve_reloads(session::Reloader& reloader) { reloader_ = &reloader; }
  Status bind(const std::string& path);
  Status start();
  void stop();

 private:
  // One connected client and its thread. `idle_since_ms` is 0 while it waits for the engine.
  struct Client {
    control::Descriptor descriptor;
    std::atomic<std::uint64_t> idle_since_ms = 0;
    std::atomic<bool> done = false;
    bool hung_up = false;  // of the accepting thread
    std::thread thread;
  };

  void accept_clients();
  void accept_one();
  bool make_room();
  void reap(bool all);
  void serve(Client& client);
  std::string answer(std::string_view line);
  Status reload(control::Reply& reply);
  Result<control::Reply> act(const control::Request& request);
  Result<Sequence> flush(session::Vdisk& vdisk, std::uint64_t timeout_ms);
  static Result<session::Receipt> fail_over(session::Vdisk& vdisk, const control::Request& request);
  std::vector<control::VdiskReport> reports(const std::string& only) const;
  bool stopping() const { return stopping_.load(); }

  session::Engine& engine_;
  session::Reloader* reloader_ = nullptr;
  const Clock& clock_;
  Logger& logger_;
  const ControlLimits limits_;

  std::string path_;
  dev_t socket_device_ = 0;  // of the file that bind() made: stop() removes no other
  ino_t socket_inode_ = 0;
  control::Descriptor listener_;
  control::Descriptor wake_;  // readable from stop() on
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
  std::list<Client> clients_;  // of the accepting thread, and of stop() after it has ended
};

}  // namespace tlog::plugin
