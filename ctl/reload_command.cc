// `tlogctl reload`: the servers look at their configuration now, and say what they made of it.
#include <fmt/format.h>

#include <cstdio>

#include "ctl/control_client.h"
#include "ctl/reach.h"
#include "ctl/target.h"

namespace tlog::ctl {
namespace {

void print_report(const control::Reply& reply) {
  std::string text =
      fmt::format("{}: generation {}{}\n", reply.config_source, reply.config_generation,
                  reply.changes.empty() ? ", nothing was different" : "");
  for (const std::string& change : reply.changes) text += fmt::format("  {}\n", change);
  std::fputs(text.c_str(), stdout);
}

}  // namespace

Status reload(const Place& place) {
  const control::Request request{.command = control::Command::kReload};
  if (!place.socket_path.empty()) {
    TLOG_ASSIGN(control::Reply reply, control::ask(place.socket_path, request, kReloadMs));
    print_report(reply);
    return {};
  }
  TLOG_ASSIGN(config::Config config, load_config(place, /*say_so=*/false));
  TLOG_ASSIGN(auto replies, ask_each(config, request, kReloadMs));
  for (const control::Reply& reply : replies) print_report(reply);
  return {};
}

}  // namespace tlog::ctl
