// Reads --storage-addresses: "host:port[@db],...", as the ancestor took it, and "unix:/path[@db]".
// Threading: pure functions. Errors: kInvalidArgument naming the part that is wrong.
#pragma once

#include <string_view>
#include <vector>

#include "server/program/arguments.h"
#include "tlog/base/result.h"

namespace tlog::program {

Result<std::vector<StoreAddress>> parse_storage_addresses(std::string_view text);

// "host:port", "[v6]:port": whether it is one, with a port of 0 to 65535. A host may be missing
// (":6060") where all addresses of the machine may be meant.
Status check_host_port(std::string_view text, bool may_lack_host);
struct HostPort {
  std::string host;  // without brackets; "": all addresses
  std::string port;
};
Result<HostPort> split_host_port(std::string_view text);

}  // namespace tlog::program
