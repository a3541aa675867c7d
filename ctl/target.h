// File: ctl/target.h
// Which server and vdisk a command means, from its options and the configuration.
// Threading: one thread. Errors: kNotFound (no configuration, no such vdisk), kInvalidArgument (it
// has several vdisks), those of the connection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ctl/commands.h"
#include "ctl/control_protocol.h"
#include "ctl/reach.h"
#include "tlog/config/source.h"

namespace tlog::ctl {

// A server that does not answer at all is given up after this long, on top of what a command itself
// may take.
constexpr std::uint64_t kAnswerMs = 10'000;
// For a reload: it may have to wait for servers that do not answer, and for a vdisk that is being
// opened.
constexpr std::uint64_t kReloadMs = 120'000;

struct Target {
  std::vector<std::string> sockets;
  std::string vdisk;
};

// Of a path, or of a URL of etcd.
Result<std::unique_ptr<config::Source>> open_source(const std::string& path_or_url);
// The configuration, for where its servers listen: as much of it as can be had when it is not good.
// That is when people ask a server that goes on with an earlier one. Says so on standard error when
// there is nobody else to say it.
Result<config::Config> load_config(const Place& place, bool say_so = true);
// `vdisk` may be empty where the configuration has only one.
Result<Target> target_of(const Place& place, const std::string& vdisk);
// What every server of the configuration answers, or the one of --socket.
Heard hear(const Place& place, const config::Config& config, const control::Request& request,
           std::uint64_t timeout_ms);
// The status of one vdisk, or of all when `vdisk` is empty.
Result<control::Reply> look(const Place& place, const std::string& vdisk);

}  // namespace tlog::ctl
