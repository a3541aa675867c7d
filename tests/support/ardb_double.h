// File: tests/support/ardb_double.h
// A double of an ardb 0.10 server (rocksdb engine) that keeps its values in memory and has ardb's
// quirks, so that what passes on it will pass on a real one:
//   * RESP2; a command it does not know is answered with an error, then it hangs up. It knows only
//     what a log's or a vdisk's store may use: fewer commands than ardb itself, which is stricter.
//   * AUTH takes one argument; without it every command is answered with ardb's error code -1004.
//   * SELECT takes any word; CONFIG GET answers nothing, CONFIG SET changes nothing.
//   * PING with a message answers a status; HSET always answers 1; HGET or GET of a key of the
//     other kind answers nil; EXISTS takes one key; DBSIZE is a guess.
//   * SCAN gives keys in lexicographic order, by cursors that mean something only to the server.
//   * Replies leave one by one with Nagle's algorithm on; malformed commands are never answered.
// Threading: its own thread; every call from any thread, and it has taken effect when it returns.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback.h"

namespace tlog::testing {

struct ArdbOptions {
  std::string listen = "127.0.0.1:0";  // or "unix:/path"
  std::string password{};
  std::string engine = "rocksdb";
};

class ArdbDouble {
 public:
  explicit ArdbDouble(const ArdbOptions& options = {});
  ~ArdbDouble();

  const std::string& address() const;
  // A disk without room: writes fail with rocksdb's error, reads go on.
  void set_full(bool full);
  // A replica refuses writes, with ardb's words.
  void set_replica(bool replica);
  // As if it had been started again, with its data: a new run_id, and all connections are gone.
  void restart();

 private:
  class Server;
  const std::unique_ptr<Server> server_;
  std::thread thread_;
};

}  // namespace tlog::testing
