// File: ctl/replacement_look.h
// What has to be asked of servers before one is replaced. Threading: any thread but the loop's;
// waits for answers, for the cluster's request timeout at most each.
#pragma once

#include "ctl/replacement.h"
#include "tlog/io/loop.h"
#include "tlog/store/stores.h"

namespace tlog::ctl {

// How to reach the servers of the cluster as it will be. Errors: a password file cannot be read.
Result<std::vector<store::RespStoreOptions>> servers_after(const Replacement& replacement);

NewServer ask_new_server(const Replacement& replacement,
                         const std::vector<control::VdiskReport>& reports,
                         const store::RespStoreOptions& server, io::Loop& loop);

// About how many bytes the shards of each log are, from the lengths of some that another server
// has. Nothing is said where that cannot be had.
void estimate_bytes(const Replacement& replacement,
                    const std::vector<control::VdiskReport>& reports,
                    const std::vector<store::RespStoreOptions>& servers, io::Loop& loop,
                    std::vector<Share>& shares);

}  // namespace tlog::ctl
