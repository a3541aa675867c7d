// File: ctl/server_talk.h
// Asks a redis-protocol server some questions on a connection that is closed again and leaves
// nothing behind. Threading: any thread but the loop's; waits, for the options' timeouts at most.
#pragma once

#include <string>
#include <vector>

#include "tlog/io/loop.h"
#include "tlog/store/resp_reply.h"
#include "tlog/store/stores.h"

namespace tlog::ctl {

using Words = std::vector<std::string>;

struct Talk {
  std::vector<store::RespReply> replies;  // one per question
  bool is_ardb = false;
  std::string warning;  // of a server that works and is not configured well
};
// The questions must be such that ardb knows them. kInvalidArgument: a person must act before the
// server can be used (a wrong password, a replica, it may evict keys); others: it did not answer.
Result<Talk> talk_to(const store::RespStoreOptions& server, io::Loop& loop,
                     const std::vector<Words>& questions);

}  // namespace tlog::ctl
