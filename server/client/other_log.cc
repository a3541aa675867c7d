#include "server/client/other_log.h"

#include <fmt/format.h>

namespace tlog::client {

Status check_no_log(const ClientOptions& options, const LogClient::Parts& parts,
                    const std::string& name) {
  LogClient::Parts quiet = parts;
  quiet.on_stored = quiet.on_received = nullptr;
  quiet.on_failed = nullptr;
  quiet.logger = &null_logger();
  for (const std::string& server : options.servers) {
    ClientOptions asking = options;
    asking.servers = {server};
    asking.stripes = 1;
    asking.concern = {};
    asking.format.name = name;
    asking.may_create = asking.take_over = false;
    asking.needed = 0;
    auto opened = LogClient::open(std::move(asking), quiet, kOtherLogWaitNs);
    if (opened) (*opened)->close(0);
    const Code code = opened ? Code::kAlreadyExists : opened.error().code();
    if (code == Code::kNotFound || code == Code::kUnavailable) continue;
    return fail(Code::kAlreadyExists,
                fmt::format("open log: '{}': {} has a log '{}' already{}{}: this vdisk has been "
                            "written with another tlog.distribution; go on with that one, or give "
                            "the vdisk another name",
                            options.format.name, server, name, opened ? "" : ": ",
                            opened ? "" : opened.error().message()));
  }
  return {};
}

}  // namespace tlog::client
