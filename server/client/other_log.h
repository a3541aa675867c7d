// File: server/client/other_log.h
// Before a log is created: whether its servers have one of the same vdisk that is distributed in
// another way (as a whole, or as stripes), under another name. It would be taken for a vdisk that
// nobody has ever written.
//
// Threading: blocks, not on the loop's thread. Errors: kAlreadyExists, naming server and log. A
// server that does not answer within kOtherLogWaitNs is not waited for.
#pragma once

#include <string>
#include <vector>

#include "server/client/log_client.h"

namespace tlog::client {

inline constexpr std::uint64_t kOtherLogWaitNs = 2'000'000'000;

// `options` are those of the log that is to be created, `names` are what others would be called.
Status check_no_log(const ClientOptions& options, const LogClient::Parts& parts,
                    const std::vector<std::string>& names);

}  // namespace tlog::client
