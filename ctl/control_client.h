// File: ctl/control_client.h
// The client half of the control protocol: one connection, one request, one answer, bounded in
// time. Threading: any thread. Errors: kNotFound and kUnavailable when nobody listens at `path`,
// kTimeout, what the server answers, kCorruption when it answers nonsense.
#pragma once

#include <string>

#include "ctl/control_protocol.h"

namespace tlog::control {

Result<Reply> ask(const std::string& path, const Request& request, std::uint64_t timeout_ms);

}  // namespace tlog::control
