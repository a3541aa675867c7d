// File: ctl/reach.h
// Finds the servers of a configuration: a process may serve all vdisks or one of them, each with
// its own socket. Threading: one thread.
#pragma once

#include <string>
#include <vector>

#include "ctl/control_protocol.h"
#include "tlog/config/config.h"

namespace tlog::ctl {

// Where a server of `vdisk` may listen, in the order in which to try: its own socket, then the
// common one.
std::vector<std::string> sockets_of(const config::Config& config, const std::string& vdisk);

// Asks the first of the sockets behind which somebody listens. kUnavailable, naming all of them,
// when nobody does.
Result<control::Reply> ask_first(const std::vector<std::string>& sockets,
                                 const control::Request& request, std::uint64_t timeout_ms);

// Of every server of the configuration that listens, in no particular order; kUnavailable when none
// does, or the first error of one.
Result<std::vector<control::Reply>> ask_each(const config::Config& config,
                                             const control::Request& request,
                                             std::uint64_t timeout_ms);
// The same without stopping at an error: what answered, and what the others said.
struct Heard {
  std::vector<control::Reply> replies;
  std::vector<Error> errors;
};
std::vector<control::VdiskReport> reports_of(Heard heard);  // of all that answered
Heard hear_each(const config::Config& config, const control::Request& request,
                std::uint64_t timeout_ms);
// The status of every vdisk of the configuration, of however many processes; kUnavailable when
// there is none.
Result<control::Reply> ask_all(const config::Config& config, std::uint64_t timeout_ms);

}  // namespace tlog::ctl
