// File: tlog/session/remote_log.h
// What a vdisk's log is opened with when tlogservers keep it. The session knows nothing of how they
// are talked to: who serves vdisks gives it OpenRemoteLog (server/client/remote_log.h).
//
// Threading: called by the thread that opens the vdisk, which may block.
// Errors: why the vdisk cannot be opened, with the remedy: servers that are away (kUnavailable),
// whose log does not go with this host's journal (kInvalidArgument, kCorruption), or that another
// host writes (kFenced).
#pragma once

#include <functional>
#include <memory>

#include "tlog/session/engine.h"
#include "tlog/session/log_side.h"
#include "tlog/session/opening.h"

namespace tlog::session {

struct RemoteLogRequest {
  const OpeningContext& context;
  format::VdiskFormat format;  // as the journal has it
  Uuid journal;
  bool may_create = false;  // nothing has ever been written
  // The journal has everything behind this, and what is not behind it must be in the log already.
  Sequence floor = 0;
  Sequence end = 0;           // the journal's newest record: no log has more
  TimestampNs timestamp = 0;  // of that, or of the last one it has let go
};
// The log side, opened and not attached; its end() is what enough servers have stored.
using OpenRemoteLog =
    std::function<Result<std::unique_ptr<LogSide>>(const RemoteLogRequest& request)>;

}  // namespace tlog::session
