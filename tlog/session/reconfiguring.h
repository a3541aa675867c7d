// File: tlog/session/reconfiguring.h
// The part of a reload that concerns the servers of a served vdisk: what each is to be reached by,
// and whether who answers there is the one that belongs there. A wrong address in a file would be
// found by the stores themselves (mismatch), and the vdisk would go on without that store; it is
// better found before, when the old configuration can stay.
//
// Threading: the thread that reloads; waits for servers, for 2 s at most.
#pragma once

#include <vector>

#include "tlog/config/difference.h"
#include "tlog/session/engine.h"
#include "tlog/session/served_vdisk.h"

namespace tlog::session {

// `active`: the cluster that has the vdisk's blocks now, "" when they are in a file.
// Errors: a password file cannot be read.
Result<ServedSettings> settings_of(const config::Config& config, const config::Vdisk& vdisk,
                                   const std::string& active, io::FileSystem& files);

// Of a vdisk that is served by `running`.
std::string active_cluster(const ServedVdisk& vdisk, const config::Config& running);

// Why `wanted` does not fit where the vdisk's blocks have come to be, by failovers of which the
// file says nothing.
std::vector<config::Refusal> check_active(const std::string& active, const config::Vdisk& running,
                                          const config::Vdisk& wanted);

// The servers of `wanted` that answer and must not be used in their places, each with the reason
// and, when it is another one of the same vdisk, its own place. One that does not answer may come
// later. `settings` is settings_of(wanted), without log servers when they are not in use.
std::vector<config::Refusal> check_servers(ServedVdisk& vdisk, const config::Config& running,
                                           const config::Config& wanted, const std::string& active,
                                           const ServedSettings& settings, io::Loop& loop);

}  // namespace tlog::session
