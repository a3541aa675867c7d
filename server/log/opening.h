// File: server/log/opening.h
// Opening a log for a client that writes it: creating it, or becoming its next writer, from its
// stores alone. What does not fit the client is refused before anything is changed, so that no
// client with another key, format or journal ends the writer that there is.
//
// Threading: the thread that opens the log: waits for the stores, not for ever; not the loop's.
#pragma once

#include <memory>

#include "server/log/served_log.h"

namespace tlog::server {

struct OpenedLog {
  std::unique_ptr<flush::LogWriter> writer;
  format::VdiskFormat format;
  walk::LogHead head;
  std::vector<format::EpochEntry> epochs;  // of all writers, this one's the last
  bool created = false;
};

// What the writer tells.
struct WriterNews {
  std::function<void()> on_room;
  std::function<void(const std::string& by)> on_fenced;
};

// `parts`, but for its key, which `sealer` has: borrowed by the writer.
Result<OpenedLog> open_log(const ServedLog::Parts& parts, const seal::Sealer& sealer,
                           const WriterNews& news);

}  // namespace tlog::server
