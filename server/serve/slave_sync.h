// SlaveSync: who keeps the standby of vdisks that a server writes the logs of, for clients that ask
// for it (Settings::slave_sync) and for vdisks that are configured so. The server itself has none;
// a program that does gives it one (server/standby).
//
// Threading: follow() and the destruction of a Standby block, and are never called on the loop's
// thread; keeps() from any; the rest on the loop's thread.
// Errors: of follow(): the log is served all the same, and WaitSlaveSync tells them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/log/served_log.h"
#include "tlog/base/types.h"

namespace tlog::server {

class SlaveSync {
 public:
  // One vdisk's, for as long as its log is open in this server.
  class Standby {
   public:
    virtual ~Standby() = default;
    virtual void stored(Sequence sequence) = 0;  // the log has all up to it; cheap
    virtual Sequence synced() const = 0;         // on the standby
    // Answers when all up to `target` is on the standby: with what is by then. kTimeout, or why
    // it will not be. Also answered, with kShutdown, by the destruction.
    using Done = std::function<void(Result<Sequence>)>;
    virtual void wait(Sequence target, std::uint64_t timeout_ns, Done done) = 0;
    // For people.
    struct State {
      std::string name;    // "in sync", "catching up", ...; "": it does not say
      Sequence has = 0;    // what it has now: less than synced() when it was emptied meanwhile
      std::string reason;  // why it does not go on, "" when it does
    };
    virtual State state() const { return {}; }
  };
  virtual ~SlaveSync() = default;

  // Whether the vdisk has one also when its client does not ask for it.
  virtual bool keeps(const std::string& vdisk) const {
    (void)vdisk;
    return false;
  }
  // `log` is open, and outlives the Standby. `on_synced`: on the loop's thread, until the Standby
  // is destroyed.
  virtual Result<std::unique_ptr<Standby>> follow(ServedLog& log,
                                                  std::function<void(Sequence)> on_synced) = 0;
};

}  // namespace tlog::server
