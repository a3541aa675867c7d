// File: tlog/store/resp_probe.h
// Asks a server for one field of a hash, on a connection of its own that leaves nothing behind: who
// is it, before a store is moved to another address? What counts afterwards is the store's own
// handshake.
//
// Threading: any thread; `done` runs on the loop's thread, once, when the server has answered or
// the options' request timeout has passed.
#pragma once

#include <functional>
#include <string>

#include "tlog/base/types.h"
#include "tlog/store/stores.h"

namespace tlog::store {

// "" when there is no such field. kInvalidArgument: a person must act before the server can be used
// (a wrong password, a replica, a node of a cluster, it may evict keys); other errors: it did not
// answer in time.
using ProbeDone = std::function<void(Result<std::string>)>;
struct ProbeQuestion {
  std::string key;
  std::string field;
};
void probe_server(const RespStoreOptions& options, ProbeQuestion question, io::Loop& loop,
                  ProbeDone done);

// All of them at once; waits for the answers. Not from the loop's thread.
struct Probe {
  RespStoreOptions server;
  ProbeQuestion question;
};
std::vector<Result<std::string>> probe_servers(const std::vector<Probe>& probes, io::Loop& loop);

// The question who it is: its uuid.
ProbeQuestion who_it_is();

}  // namespace tlog::store
