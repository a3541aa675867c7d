#include "server/client/other_log.h"

#include <fmt/format.h>

namespace tlog::client {
namespace {

// What a server says of a log: kNotFound: that it has none, kUnavailable: nothing.
Error answer_of(const std::string& server, const std::string& name, const ClientOptions& options,
                const LogClient::Parts& parts) {
  LogClient::Parts quiet = parts;
  quiet.on_stored = quiet.on_received = nullptr;
  quiet.on_failed = nullptr;
  quiet.logger = &null_logger();
  ClientOptions asking = options;
  asking.servers = {server};
  asking.stripes = 1;
  asking.concern = {};
  asking.format.name = name;
  asking.may_create = asking.take_over = asking.waits_for_none = false;
  asking.needed = 0;
  auto opened = LogClient::open(std::move(asking), quiet, kOtherLogWaitNs);
  if (!opened) return opened.error();
  (*opened)->close(0);
  return Error(Code::kAlreadyExists, "it is open to this host");
}

}  // namespace

Status check_no_log(const ClientOptions& options, const LogClient::Parts& parts,
                    const std::vector<std::string>& names) {
  for (const std::string& server : options.servers) {
    for (const std::string& name : names) {
      const Error answer = answer_of(server, name, options, parts);
      if (answer.code() == Code::kUnavailable) break;
      if (answer.code() == Code::kNotFound) continue;
      return fail(Code::kAlreadyExists,
                  fmt::format("open log: '{}': {} has a log '{}' already: {}: this vdisk has been "
                              "written with another tlog.distribution; go on with that one, or "
                              "give the vdisk another name",
                              options.format.name, server, name, answer.message()));
    }
  }
  return {};
}

}  // namespace tlog::client
