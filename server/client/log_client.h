// LogClient: sends a log's records to several tlogservers at once, each of which keeps a whole log
// in stores of its own, and says what enough of them have. Servers that share their stores (they
// say so: Welcome::log) take turns, and count as one. A marker per server (sent, received, stored)
// is all there is to synchronise: servers know nothing of each other.
//
// A server that fails is left behind, the others carry on; it is tried again with back-off, and
// goes on from what it says it has: from the source while that has the records, else read from
// another server's log. Nothing the source keeps is lost; what it may let go is what the write
// concern covers.
//
// Threading: open() and close() block, not on the loop's thread; the rest from any thread;
// callbacks on the loop's thread. Durability: stored(): as many servers as the write concern says
// have committed all up to it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/net/channel.h"
#include "server/protocol/batch.h"
#include "server/protocol/message.h"
#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/random.h"
#include "tlog/io/workers.h"
#include "tlog/seal/key.h"

namespace tlog::client {

// Where the records are that are to be sent. Asked by workers, several at once for different
// servers.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // The newest record that may be sent: what is behind it might yet be lost here, and then be
  // another one.
  virtual Sequence end() const = 0;
  // Records first .. as far as there are and about so many bytes reach, at least one and none
  // behind `last`, copied, their hashes not filled. Nothing: it does not have `first` any more.
  // Errors: its bytes are wrong; nothing is sent any more.
  virtual Result<std::optional<protocol::Batch>> take(Sequence first, Sequence last,
                                                      std::uint64_t bytes_wanted) = 0;
};

struct WriteConcern {
  unsigned stored = 1;    // servers that have stored a record before it counts as stored
  unsigned received = 0;  // 0: a flush waits for `stored`; else for so many that have received it
};

struct ClientOptions {
  std::vector<std::string> servers;  // addresses
  // More than 1: the records are dealt out among so many logs (format/stripes.h), each kept by as
  // many of the servers, the first ones by the first; what is said of the servers below is then
  // said of those of each stripe. The vdisk's uuid has to be said.
  unsigned stripes = 1;
  std::shared_ptr<const net::Tls> tls;
  WriteConcern concern;
  std::string name;  // "host:pid", for people
  format::VdiskFormat format;
  Uuid journal;
  bool may_create = false;
  bool take_over = false;
  Sequence needed = 0;  // open() waits for a server that has stored all up to it
  // open() waits for nobody, and the concern may be 0: of who has the log himself, and only wants
  // it to be elsewhere too.
  bool waits_for_none = false;
  protocol::Settings settings;
  const seal::MasterKey* key = nullptr;  // handed over; null: the servers' own
  bool insecure = false;                 // also where others can read it
  std::uint64_t connect_timeout_ns = 2'000'000'000;
  // Without any sign from a server for so long it is taken for dead (it is asked by Echo).
  std::uint64_t silence_ns = 5'000'000'000;
  std::uint64_t batch_bytes = 1024 * kKiB;
  std::uint64_t unsent_bytes_max = 4 * kMiB;  // per server, read from the source and not sent yet
};

enum class ServerState {
  kConnecting,  // being tried, or to be tried again: `reason`
  kCatchingUp,  // it lacks what the source has let go: read from another server
  kSending,     // connected, sent what there is
  kRefused,     // it says it cannot serve this log: `reason`. Tried again, seldom
};
std::string_view server_state_name(ServerState state);

struct Marker {
  std::string address;
  unsigned stripe = 0;  // of a striped log, whose numbers the sequences are: the last it has
  ServerState state = ServerState::kConnecting;
  std::string reason;
  Uuid server;  // process, nil: never connected
  Epoch epoch = 0;
  Sequence sent = 0, received = 0, stored = 0, synced = 0;
  std::uint64_t connections = 0;  // made so far
  std::uint64_t resent_records = 0;
  std::uint64_t round_trip_ns = 0;  // of the last Echo
  TimestampNs heard_ns = 0;         // time of day of the last sign of life, 0: never
  bool differs = false;             // its log has what the source does not have, or others
  std::uint64_t failures = 0;       // attempts and connections that have ended since it was sent to
};

class LogClient {
 public:
  struct Parts {  // borrowed
    io::FileSystem* files = nullptr;
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    const Clock* clock = nullptr;
    Random* random = nullptr;
    Logger* logger = nullptr;
    std::function<void(Sequence)> on_stored;      // stored() has grown
    std::function<void(Sequence)> on_received;    // received() has changed
    std::function<void()> on_progress = {};       // a marker may have changed
    std::function<void(const Error&)> on_failed;  // once: fenced, or the source is wrong
  };
  // Connects to all servers, and waits until as many as the write concern wants are there and their
  // logs are at hand, and one of them reaches to `needed`, or until the timeout: kUnavailable,
  // naming each server and its reason. With take_over, which goes by what the servers have alone,
  // until so few are away that nothing that counted as stored can be missed; logs that have gone
  // different ways are compared (histories.h), and what was never acknowledged is left out. When it
  // cannot be told which that is: kCorruption, or kUnavailable while servers are away. kFenced,
  // kInvalidArgument, kWrongKey, kNotSupported, kNotFound (there is no log, and may_create is not
  // set): what so many refuse for good that the rest is too few. A log is created only when all
  // but so few say that they do not have it that it cannot be theirs alone, as with take_over, and
  // no server says anything else: what it says is returned.
  static Result<std::unique_ptr<LogClient>> open(ClientOptions options, Parts parts,
                                                 std::uint64_t timeout_ns);
  virtual ~LogClient() = default;

  // As the servers had it when open() returned, the others having had a moment: the greatest end
  // among those that are connected; with take_over, of those whose logs agree with what can have
  // been acknowledged.
  virtual protocol::LogPosition head() const = 0;
  // The greatest sequence that any of them had. Of a striped log it may be greater than head()'s:
  // what lies between is there in parts, and whoever writes on must have all of it.
  virtual Sequence newest() const { return head().sequence; }
  virtual bool created() const = 0;  // none of them had the log

  // Sending begins. `floor`: at least so much is known to be stored by enough servers (the source
  // has let it go); 0 when nothing is. head() does not say that: one server may have it alone.
  virtual void start(RecordSource& source, Sequence floor) = 0;
  virtual void more() = 0;  // the source's end() has grown; cheap
  virtual void force(
      Sequence sequence) = 0;  // shall be stored now, not when an aggregation is full

  virtual Sequence stored() const = 0;
  // Of so many servers as WriteConcern::received says, in memory at least, at this time: it goes
  // back when servers die that had it in memory only.
  virtual Sequence received() const = 0;
  // What so many servers have stored now, whatever the write concern; servers that write one log
  // count as one. 0: there are fewer.
  virtual Sequence stored_by(unsigned servers) const = 0;
  virtual std::vector<Marker> markers() const = 0;
  // What keeps stored() from growing, "" when nothing does.
  virtual std::string waiting_for() const = 0;
  // Until every server that the write concern wants has its standby at `target`.
  virtual Result<Sequence> wait_slave_sync(std::uint64_t timeout_ns) = 0;
  virtual void stop_waiting() = 0;  // for that, now and later: kShutdown

  // Says goodbye; what the servers have received they store. Those that are connected are waited
  // for. False: the source has records that are not stored(), or there was none.
  virtual bool close(std::uint64_t budget_ns) = 0;
};

}  // namespace tlog::client
