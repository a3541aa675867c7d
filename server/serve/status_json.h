// The answer to StatusRequest: JSON, for people and tools. Threading: loop thread.
#pragma once

#include <optional>
#include <string>

#include "server/serve/core.h"

namespace tlog::server {

// One session's. `log`: of the log that it writes.
std::string session_json(const Core& core, const SessionStatus& session,
                         const std::optional<flush::LogWriterStatus>& log);
// The whole server's.
std::string server_json(const Core& core, const std::vector<SessionStatus>& sessions,
                        const std::vector<RepositoryStatus>& repositories,
                        const std::vector<PublicationStatus>& publications);

}  // namespace tlog::server
