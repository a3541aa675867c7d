#include "ctl/reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ctl/control_client.h"

namespace tlog::ctl {
namespace {

// Nobody listens there: not an answer, and not the end of the search.
bool is_deaf(const Error& error, const std::string& socket) {
  return (error.code() == Code::kNotFound || error.code() == Code::kUnavailable) &&
         error.message().starts_with("connect: " + socket);
}

tl::unexpected<Error> nobody(const std::vector<std::string>& sockets) {
  return fail(
      Code::kUnavailable,
      fmt::format("connect: nobody listens at {}; is nbdkit running with this configuration?",
                  fmt::join(sockets, " or ")));
}

}  // namespace

std::vector<std::string> sockets_of(const config::Config& config, const std::string& vdisk) {
  std::vector<std::string> sockets;
  if (!vdisk.empty()) sockets.push_back(config::control_socket_path(config, vdisk));
  sockets.push_back(config::control_socket_path(config, ""));
  return sockets;
}

Result<control::Reply> ask_first(const std::vector<std::string>& sockets,
                                 const control::Request& request, std::uint64_t timeout_ms) {
  for (const std::string& socket : sockets) {
    auto reply = control::ask(socket, request, timeout_ms);
    if (reply || !is_deaf(reply.error(), socket)) return reply;
  }
  return nobody(sockets);
}

std::vector<control::VdiskReport> reports_of(Heard heard) {
  std::vector<control::VdiskReport> reports;
  for (control::Reply& reply : heard.replies) {
    std::move(reply.vdisks.begin(), reply.vdisks.end(), std::back_inserter(reports));
  }
  return reports;
}

Heard hear_each(const config::Config& config, const control::Request& request,
                std::uint64_t timeout_ms) {
  std::vector<std::string> sockets = sockets_of(config, "");
  for (const config::Vdisk& vdisk : config.vdisks) {
    sockets.push_back(config::control_socket_path(config, vdisk.name));
  }
  Heard heard;
  for (const std::string& socket : sockets) {
    auto reply = control::ask(socket, request, timeout_ms);
    if (reply) {
      heard.replies.push_back(std::move(*reply));
    } else if (!is_deaf(reply.error(), socket)) {
      heard.errors.push_back(reply.error());
    }
  }
  return heard;
}

Result<std::vector<control::Reply>> ask_each(const config::Config& config,
                                             const control::Request& request,
                                             std::uint64_t timeout_ms) {
  Heard heard = hear_each(config, request, timeout_ms);
  if (!heard.errors.empty()) return fail(heard.errors.front());
  if (heard.replies.empty()) {
    return nobody(
        {config::control_socket_path(config, ""), config::control_socket_path(config, "NAME")});
  }
  return std::move(heard.replies);
}

Result<control::Reply> ask_all(const config::Config& config, std::uint64_t timeout_ms) {
  TLOG_ASSIGN(auto replies, ask_each(config, {.command = control::Command::kStatus}, timeout_ms));
  control::Reply all;
  for (control::Reply& reply : replies) {
    all.monotonic_ns = reply.monotonic_ns;
    std::move(reply.vdisks.begin(), reply.vdisks.end(), std::back_inserter(all.vdisks));
  }
  return all;
}

}  // namespace tlog::ctl
