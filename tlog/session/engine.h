// File: tlog/session/engine.h
// Engine: everything of one process: the ring thread, the workers, the key, and the vdisks it
// serves. The plugin and the tests make one; wiring happens here and nowhere else.
//
// Life: load (configuration and key checked) -> prepare (before fork: journals locked and their
// superblocks checked, directories writable; errors are the user's to read; no thread is started)
// -> start (after fork: threads) -> open/... -> stop (stores what is there within the budget, joins
// every thread). Threading: open() and status() from any thread after start(); the others from one
// thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/random.h"
#include "tlog/config/difference.h"
#include "tlog/io/file.h"
#include "tlog/io/loop.h"
#include "tlog/session/coordinator.h"
#include "tlog/session/takeover.h"
#include "tlog/session/vdisk.h"

namespace tlog::session {

class LogSide;
struct RemoteLogRequest;

// Where the engine meets the world; tests and simulations bring their own. Borrowed.
struct Environment {
  io::FileSystem& files;
  const Clock& clock;
  Random& random;
  Logger& logger;
};
Environment system_environment(Logger& logger);

struct EngineOptions {
  std::vector<std::string> vdisks;  // which to serve; empty: all of the configuration
  bool memory_stores = false;       // keep the log in memory only (trials and benchmarks)
  // Servers do what the configuration's coordination says: a vdisk is begun when it is this host's
  // turn. Tools open and take over at once.
  bool coordinate = false;
  // What a vdisk with slaveStorage is followed and gone over to by (slave-sync/). Without it
  // nothing follows, as for tools.
  MakeStandby make_standby = {};
  std::string control_socket;  // told to the other hosts; "": none
  // How a log is opened that tlogservers keep (session/remote_log.h). Without it such vdisks are
  // refused.
  std::function<Result<std::unique_ptr<LogSide>>(const RemoteLogRequest&)> open_remote_log = {};
};

class Engine {
 public:
  // Checks the configuration's meaning (clusters exist, k+m fit, names) and loads the key.
  static Result<std::unique_ptr<Engine>> load(config::Config config, EngineOptions options,
                                              Environment environment);
  virtual ~Engine() = default;

  virtual Status prepare() = 0;
  virtual Status start() = 0;
  // Whoever waits in open() for this host's turn, for a failover or for a standby, is refused, now
  // and later. Before stop(), from any thread.
  virtual void stop_waiting() = 0;
  // `budget_ns`: how long to go on storing; what is not stored then is still in the journal.
  virtual void stop(std::uint64_t budget_ns) = 0;

  // The one in effect. What it was stays valid for who holds it.
  virtual std::shared_ptr<const config::Config> configuration() const = 0;
  // Goes on with `wanted`, all of it or, when there are refusals, nothing. Only for what
  // config::compare() allows against configuration(). Looks whether servers that are to be reached
  // at other addresses are the right ones, which takes a while when they do not answer; an opening
  // under way ends first. Any thread.
  virtual std::vector<config::Refusal> reconfigure(const config::Config& wanted) = 0;
  virtual std::vector<std::string> vdisk_names() const = 0;
  // The one Vdisk object of that name, opened (created, recovered) at the first call. Stays open
  // until stop(). read_only: never creates; a vdisk that exists is opened for writing all the same
  // unless its configuration says readOnly, because its journal may have to be recovered. One that
  // is coordinated is refused while another host serves it (Coordinator::admit()).
  virtual Result<std::shared_ptr<Vdisk>> open(const std::string& name, bool read_only) = 0;
  virtual std::vector<VdiskStatus> status() const = 0;  // of the opened ones
  virtual std::vector<LeaseStatus> leases() const = 0;  // of the coordinated ones
  // Makes this host the one that serves the vdisk, see session/takeover.h. After start(), instead
  // of open(): blocks as long as its block storage takes.
  virtual Result<TakeoverReport> take_over(const std::string& name, const TakeoverOptions& options,
                                           const TakeoverProgress& progress) = 0;
};

}  // namespace tlog::session
