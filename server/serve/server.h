// Server: the tlogserver without its command line: listens, opens sessions, and has one ServedLog
// for each vdisk that is written. Servers know nothing of each other, and keep nothing: any of them
// continues where another has stopped, from the stores alone.
//
// One writer per vdisk: a second client is refused while the first is connected, and taken with
// take_over, which ends the first. A client that reconnects (the same journal) finds its log still
// open for `linger_ns`, with what it had sent.
//
// Threading: start() and stop() from one thread; status() and metrics() from any.
// The destructor waits for what the stores have been asked: logs that are opened, read or closed
// (30 s at most).
// Errors: start(): addresses, stores, credentials; the rest is told to the client it concerns
// (Refusal, Disconnect) and to the log.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/log/served_log.h"
#include "server/net/channel.h"
#include "server/net/tls.h"
#include "server/serve/log_look.h"
#include "server/serve/publication_status.h"
#include "server/serve/repository_status.h"
#include "server/serve/slave_sync.h"

namespace tlog::server {

// What a log is stored with, as far as the client does not say.
struct LogSettings {
  unsigned data_shards = 4;
  unsigned parity_shards = 2;
  unsigned write_quorum = 0;  // stores; 0: the usual number
  std::uint64_t flush_size = 25;
  std::uint64_t flush_time_ns = 25'000'000'000;
  session::Scrubbing::Wishes scrubs = {};  // see ServedLog::Parts
};

struct ServerOptions {
  std::string address = "0.0.0.0:11211";
  std::shared_ptr<const net::Tls> tls;         // null: plain
  bool insecure = false;                       // a key may be handed over where others can read it
  std::shared_ptr<const seal::MasterKey> key;  // for clients that bring none; null: they must
  // Which stores a vdisk's log is in, by any name, without asking them: those that do not answer
  // keep nobody waiting whose stores have another name. Called on the loop; null: all have the
  // same.
  std::function<std::string(const std::string& vdisk)> cluster_of;
  // The stores of a vdisk's log, newly opened; called for each opening, on a thread that may block.
  // `read_stores`: for who changes nothing, and may be there beside a writer; null: the same.
  using OpenStores =
      std::function<Result<std::vector<std::unique_ptr<store::Store>>>(const std::string& vdisk)>;
  OpenStores open_stores;
  OpenStores read_stores;
  unsigned data_shards = 4;
  unsigned parity_shards = 2;
  std::uint64_t flush_size = 25;
  std::uint64_t flush_time_ns = 25'000'000'000;
  // Of vdisks that have settings of their own, instead of the four above; called before each
  // opening, from any thread. Null: none has.
  std::function<LogSettings(const std::string& vdisk)> settings_of;
  std::uint32_t block_size = 4096;  // for a client that names none
  std::uint64_t session_memory_bytes = 64 * kMiB;
  // Of records held for all vdisks together. A session that holds more than what is left of it is
  // paused; one of which everything is stored may always send a batch.
  std::uint64_t memory_bytes_max = 1 * kGiB;
  std::uint64_t linger_ns = 30'000'000'000;
  std::uint64_t hello_timeout_ns = 10'000'000'000;  // for who connects and says nothing
  unsigned sessions_max = 1024;  // writers' logs, also those that linger, and readers
  // Of connections that have not said yet what they want; the one that has been silent longest
  // makes room for a new one.
  unsigned silent_max = 1024;
  // A client that takes nothing of what is sent to it for so long is disconnected.
  std::uint64_t send_timeout_ns = 30'000'000'000;
  std::shared_ptr<SlaveSync> slave_sync;  // null: no standbys are kept
  // Of the sets of logs that the process offers besides; called on the loop, must not wait. Null:
  // none.
  std::function<std::vector<RepositoryStatus>()> repositories;
  std::function<std::vector<PublicationStatus>()> publications;  // likewise
  // Records are taken so long after they have come, for tests and for teaching; 0: at once.
  std::uint64_t replication_delay_ns = 0;
};

struct SessionStatus {
  std::string vdisk;
  std::string client;  // as it calls itself
  std::string peer;    // "": it is away, the log lingers
  protocol::Role role = protocol::Role::kWriter;
  Epoch epoch = 0;
  Sequence received = 0, stored = 0, synced = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t records = 0, record_bytes = 0;        // in this session
  bool paused = false;                                // its memory is full, or
  bool held_back = false;                             // it holds too much of the server's
  std::string waiting_for;                            // why nothing is stored, "" when it is
  SlaveSync::Standby::State standby = {};             // no name: there is none
  std::optional<session::ScrubSchedule> scrubs = {};  // of a log that is open
};
struct ServerStatus {
  Uuid server;
  std::string address;
  std::uint64_t uptime_ns = 0;
  std::uint64_t connections = 0;  // since the start
  std::uint64_t refused = 0;      // likewise
  std::uint64_t records = 0, record_bytes = 0, stored_records = 0;
  std::uint64_t memory_bytes = 0;  // held for all sessions
  std::uint64_t memory_bytes_max = 0;
  std::vector<SessionStatus> sessions;  // by vdisk's name
  std::vector<RepositoryStatus> repositories;
  std::vector<PublicationStatus> publications;
};

class Server {
 public:
  struct Parts {  // borrowed
    io::FileSystem* files = nullptr;
    io::Loop* loop = nullptr;        // started, also after stop()
    io::Workers* workers = nullptr;  // likewise
    const Clock* clock = nullptr;
    Random* random = nullptr;
    Logger* logger = nullptr;
  };
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Parts parts);
  virtual ~Server() = default;
  virtual const std::string& address() const = 0;  // with the real port
  virtual ServerStatus status() const = 0;
  // For who reads a log in this process; see LogLook.
  virtual Result<std::shared_ptr<LogLook>> look(const std::string& vdisk,
                                                std::shared_ptr<LogLook> before) = 0;
  // Certificates, keys and authorities of the connections that come from now on; those that are
  // there keep theirs. Only for who was started with some. From the thread of start().
  virtual void set_tls(std::shared_ptr<const net::Tls> tls) = 0;
  // Takes no more records, stores what was received within the budget, says goodbye. True: all that
  // was received is stored.
  virtual bool stop(std::uint64_t budget_ns) = 0;
};

}  // namespace tlog::server
