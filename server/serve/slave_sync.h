// SlaveSync: who keeps the standby of vdisks that a server writes the logs of, for clients that ask
// for it (Settings::slave_sync). The server itself has none; a program that does gives it one.
//
// Threading: follow() and the destruction of a Standby block, and are never called on the loop's
// thread; the rest on the loop's thread.
// Errors: of follow(): the log is served all the same, and WaitSlaveSync tells them.
#pragma once

#include <functional>
#include <memory>

#include "tlog/base/types.h"
#include "tlog/format/metadata.h"
#include "tlog/seal/key.h"

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
  };
  virtual ~SlaveSync() = default;

  // `on_synced`: on the loop's thread, until the Standby is destroyed.
  virtual Result<std::unique_ptr<Standby>> follow(const format::VdiskFormat& format,
                                                  std::shared_ptr<const seal::MasterKey> key,
                                                  std::function<void(Sequence)> on_synced) = 0;
};

}  // namespace tlog::server
