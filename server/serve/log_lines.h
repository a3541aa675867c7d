// What is said of a hosted log, to people. Threading: loop thread.
#pragma once

#include <string>

#include "server/serve/hosted_log.h"

namespace tlog::server {

std::string utc_text(TimestampNs time);  // "2026-11-22 05:46:28 UTC"
// Who writes it, since when, and what to do about it.
Error held_by_another(const HostedLog& hosted);
std::string opened_line(const HostedLog& hosted);

}  // namespace tlog::server
