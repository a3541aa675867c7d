// File: tlog/store/resp_epochs.h
// The epochs' marks of a vdisk in one redis-protocol server, read and set with HSETNX, HDEL and
// HGETALL: commands that ardb has too, each of them atomic. See EpochMarks (store/identity.h).
//
// Threading: the loop's thread only.
#pragma once

#include <string>

#include "tlog/store/resp_checks.h"

namespace tlog::store {

void read_epochs(RespChecks& checks, const std::string& vdisk, EpochMarksDone done);
void claim_epoch(RespChecks& checks, const std::string& vdisk, const EpochClaim& claim,
                 EpochMarksDone done);

// The commands that set `claim`'s marks; `again`: for the one who has won it.
std::vector<std::string> claim_commands(const std::string& vdisk, const EpochClaim& claim,
                                        bool again);

}  // namespace tlog::store
