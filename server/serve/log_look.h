// LogLook: a log as this server has it now, for who reads it in the same process: beside who writes
// it through this server, or else from its stores, as a reader's session does.
//
// Threading: opening one, stored() and read() block: not on the loop's thread, one thread at a
// time; it may be destroyed on any. Lifetime: it must be gone before the server. A look at a log
// that is written keeps it from being closed: let it go soon.
// Errors: those of ReadOnlyLog and ServedLog; kShutdown when the log is being closed: look again.
#pragma once

#include <memory>
#include <string>

#include "server/log/served_log.h"

namespace tlog::server {

class LogLook {
 public:
  virtual ~LogLook() = default;
  virtual Uuid log_id() const = 0;
  // Up to where the log is stored now.
  virtual Result<Sequence> stored() = 0;
  virtual Status read(Sequence first, Sequence last, const ServedLog::Visitor& visitor) = 0;
  // Whether it is of the stores alone, and so may be kept: it costs something to make another.
  virtual bool may_be_kept() const = 0;
};

struct Core;
class Registry;

// `before`: a look that was kept; it is given back as long as nobody writes the log. Waits a moment
// (2 s) for one that is being opened or closed.
Result<std::shared_ptr<LogLook>> look_at_log(const std::shared_ptr<Core>& core,
                                             const std::shared_ptr<Registry>& registry,
                                             const std::string& vdisk,
                                             const std::shared_ptr<LogLook>& before);

}  // namespace tlog::server
