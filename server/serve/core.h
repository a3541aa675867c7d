// Core: what all parts of one Server share. Threading: the loop's, except what is constant after
// the start; the threads of `openers`, `closers` and `readers` may block, the loop never does.
#pragma once

#include <atomic>
#include <set>
#include <string_view>
#include <vector>

#include "server/serve/cluster_workers.h"
#include "server/serve/server.h"

namespace tlog::server {

class Connection;

struct Core {
  Core(ServerOptions wanted, Server::Parts borrowed)
      : options(std::move(wanted)),
        parts(borrowed),
        id(parts.random->next_uuid()),
        started_ns(parts.clock->monotonic_ns()) {}

  const ServerOptions options;
  const Server::Parts parts;
  const Uuid id;
  const std::uint64_t started_ns;

  // Apart, so that stores which do not answer an opening keep no log from being closed, and a
  // long reading keeps nobody from writing.
  ClusterWorkers openers;
  ClusterWorkers closers;
  ClusterWorkers readers;

  std::uint64_t connections = 0;
  std::uint64_t refused = 0;
  std::uint64_t records = 0;
  std::uint64_t record_bytes = 0;
  std::uint64_t stored_records = 0;
  std::uint64_t memory_bytes = 0;          // of records that are held for all logs, as counted last
  unsigned goodbyes = 0;                   // connections that are being told why they end
  bool stopping = false;                   // nothing new begins
  std::atomic<bool> opens_no_more{false};  // likewise, for the threads
  bool ended = false;  // the threads end: what must not run on the loop is left to the destructor
  std::vector<io::Task> left;
  std::set<Connection*> open_connections;
  std::function<void()> when_no_connections;

  std::string cluster_of(const std::string& vdisk) const {
    return options.cluster_of ? options.cluster_of(vdisk) : std::string();
  }
  // Runs what closes the vdisk's log on a thread that may block.
  void away(const std::string& vdisk, io::Task task) {
    if (ended)
      left.push_back(std::move(task));
    else
      closers.submit(cluster_of(vdisk), std::move(task));
  }
  // A line about what clients do, which anybody can do a thousand times a second: it is written
  // so often at most, and then says how many were left out.
  void note(LogLevel level, std::string_view line);

 private:
  static constexpr unsigned kNotesPerSecond = 20;
  std::uint64_t noting_since_ns_ = 0;
  unsigned noted_ = 0;
  std::uint64_t not_noted_ = 0;
};

}  // namespace tlog::server
