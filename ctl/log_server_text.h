// File: ctl/log_server_text.h
// What a tlogserver says of itself (server/serve/status_json.h), for people and programs.
// Threading: pure functions. Errors: kCorruption: it is no such text.
#pragma once

#include <string>

#include "tlog/base/types.h"

namespace tlog::ctl {

// The same JSON, whatever bytes its texts had, laid out to be read.
Result<std::string> server_status_json(const std::string& said);
// Nothing that a client calls itself reaches a terminal as it is.
Result<std::string> server_status_text(const std::string& address, const std::string& said);

}  // namespace tlog::ctl
