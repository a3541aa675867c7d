// File: server/client/remote_log.h
// RemoteLog: the log side of a vdisk whose log tlogservers keep: its journal's records are sent by
// a LogClient, from the arena, or from the journal's files to a server that is behind. Contract:
// session::LogSide.
#pragma once

#include <atomic>
#include <memory>

#include "server/client/log_client.h"
#include "tlog/session/remote_log.h"

namespace tlog::client {

// What vdisks are served with; session::EngineOptions::open_remote_log.
Result<std::unique_ptr<session::LogSide>> open_remote_log(const session::RemoteLogRequest& request);

}  // namespace tlog::client
