// Opening a master's log: what its own stores have counts, if they have what this master wrote;
// else (they are empty, or another node was master, or a filling like this one was broken off) it
// is filled from the secondaries first, of which so many have to be there that no confirmed message
// can be missed. A log that none of them has is begun.
//
// How it is told: the log's last writer is in its metadata. A master's own journal is one and the
// same for ever; filling has another one.
//
// Threading: blocks; not the loop's thread. Errors: kUnavailable while nodes are missing or stores
// do not answer: to be tried again; all others too, but they will hardly change by themselves.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "gateways/messages/message_log.h"
#include "server/client/log_client.h"
#include "server/log/served_log.h"

namespace tlog::messages {

// Borrowed, for the log's life.
struct NodeParts {
  io::FileSystem* files = nullptr;
  io::Loop* loop = nullptr;
  io::Workers* workers = nullptr;  // those of the server
  io::Workers* readers = nullptr;  // may block
  const Clock* clock = nullptr;
  Random* random = nullptr;
  Logger* logger = nullptr;
};

struct MasterOptions {
  std::string name;
  std::string own_address;               // where this node's tlogserver listens
  std::vector<std::string> secondaries;  // addresses
  unsigned quorum = 0;                   // nodes; 0: more than half
  bool create_with_quorum = false;       // else with all
  std::shared_ptr<const net::Tls> tls;   // towards tlogservers; null: plain
  std::string client_name;               // for people
  unsigned data_shards = 4;
  unsigned parity_shards = 2;
  unsigned write_quorum = 0;
  session::Scrubbing::Wishes scrubs = {};
  std::shared_ptr<const seal::MasterKey> key;
  std::function<Result<std::vector<std::unique_ptr<store::Store>>>()> open_stores;
  std::uint64_t memory_bytes_max = 64 * kMiB;
  std::uint64_t recent_bytes_max = 32 * kMiB;
  // Calls of append() at once: fewer than the connections that there may be, so that who lists, or
  // asks how it is, gets one.
  std::size_t waiting_max = 1024;
  // A secondary that says nothing for so long is taken for dead, and connected anew.
  std::uint64_t silence_ns = 3'000'000'000;
};

// What a log of messages is on every node.
format::VdiskFormat format_of(const MasterOptions& options);

struct LogNews {
  std::function<void(Sequence)> on_stored;
  std::function<void(const Error&)> on_failed;
};
// `stopping`: gives up soon.
Result<std::unique_ptr<server::ServedLog>> open_master_log(const MasterOptions& options,
                                                           const NodeParts& parts,
                                                           const LogNews& news,
                                                           const std::atomic<bool>& stopping);

}  // namespace tlog::messages
