// File: ctl/commands.h
// The commands of tlogctl. Each prints its result on standard output and answers the error that
// main() prints. Threading: one thread.
#pragma once

#include <string>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::ctl {

// Exit codes of tlogctl(1).
enum Exit { kExitOk = 0, kExitFailed = 1, kExitUsage = 2, kExitCorruption = 3 };
int exit_code_of(Code code);

// Where the configuration and the server are: options of every command.
struct Place {
  std::string config_path;  // "": ./tlogdisk.yml, then /etc/tlogdisk/tlogdisk.yml
  std::string socket_path;  // "": what the configuration says
};
std::string config_path_of(const Place& place);

struct StatusOptions {
  std::string vdisk;  // "": all
  bool json = false;
  bool rates = false;
};

Status keygen(const std::string& path);
// Prints every problem of the file; the error then only counts them.
Status check_config(const std::string& path_or_url, bool json);
Status status(const Place& place, const StatusOptions& options);
// `vdisk` may be empty where the configuration has only one.
Status mark(const Place& place, const std::string& vdisk, const std::string& name);
Status flush(const Place& place, const std::string& vdisk, std::uint64_t timeout_ms);

struct ScrubCommand {
  std::string vdisk;
  bool deep = false;
  bool repair = false;
  bool wait = true;
  bool json = false;
  std::uint64_t bytes_per_second = 0;  // 0: unbounded
};
// kCorruption: damage was found and is not repaired.
Status scrub(const Place& place, const ScrubCommand& command);

struct WaitCommand {
  std::string vdisk;
  std::uint64_t timeout_ms = 0;
  bool json = false;
};
// Until the standby has everything that was acknowledged before; kTimeout, or why that cannot be.
Status wait_slave_sync(const Place& place, const WaitCommand& command);

// How to reach a tlogserver.
struct LogServerPlace {
  std::string address;  // host:port or unix:/path
  bool tls = false;     // on also with any of the files below
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string psk_file;
  std::string psk_identity;
  std::string name;             // instead of the host in the address
  std::string master_key_file;  // handed over to a server that has none of its own
};
// How it is, and its sessions.
Status server_status(const LogServerPlace& place, bool json);
// wait_slave_sync() of the standby that this server keeps, whoever writes the vdisk through it.
Status wait_server_sync(const LogServerPlace& place, const WaitCommand& command);

// Two logset repositories (docs/faces.md), both ways: once, or again and again until SIGINT or
// SIGTERM; then a round that fails is told and the next one tries again.
struct SyncCommand {
  std::string local, remote;   // "http://host:port/repo"
  std::string ca_file;         // "": the system's authorities
  std::string token_file;      // for both; "": none
  bool once = false;           // in words; what is done without every_ns anyway
  std::uint64_t every_ns = 0;  // 0: once
  bool json = false;
};
Status sync_sites(const SyncCommand& command);

struct FailoverCommand {
  std::string vdisk;
  std::uint64_t timeout_ms = 0;
  bool accept_loss = false;
  bool back = false;  // a failback: to the vdisk's own cluster, and the other one follows then
  bool json = false;
};
// Goes over to the standby, and prints the receipt.
Status failover(const Place& place, const FailoverCommand& command);

struct ResyncCommand {
  std::string vdisk;
  bool force = false;
  bool wait = true;
  std::uint64_t patience_ms = 0;  // while nothing moves
  bool json = false;
};
// Has the cluster that is not active follow again. kUnavailable: it has what would be discarded.
Status resync(const Place& place, const ResyncCommand& command);

struct TakeoverCommand {
  std::string vdisk;
  bool accept_loss = false;
  bool json = false;
};
// Not through a server: makes this host the one that may serve the vdisk.
Status takeover(const Place& place, const TakeoverCommand& command);

// Has every server of the configuration look at it now; prints what each has changed.
Status reload(const Place& place);

// How the stores of one cluster, or of all ("") that vdisks use, are. kUnavailable: not all is
// well.
Status cluster_status(const Place& place, const std::string& cluster, bool json);

struct ReplaceCommand {
  std::string cluster;
  std::string from;
  std::string to;
  bool dry_run = false;
  bool yes = false;  // nobody is asked
  bool wait = true;
  bool json = false;
  bool allow_unserved = false;
};
// Puts another server into one's place, in the file and in the running servers, and waits until it
// is filled. kInvalidArgument: not safe, or not confirmed.
Status cluster_replace(const Place& place, const ReplaceCommand& command);

struct MessagesCommand {
  std::string where;  // the URL of a node, or (append) a vdisk
  std::string log;    // "": the node's first
  std::string text;
  unsigned w = 0;  // 0: all nodes
  std::uint64_t after = 0;
  std::uint64_t limit = ~std::uint64_t{0};
  std::string token_file;
  std::string ca_file;
  bool json = false;
};
Status messages_append(const Place& place, const MessagesCommand& command);  // prints the id
Status messages_list(const MessagesCommand& command);
Status messages_follow(const MessagesCommand& command);  // until it fails
// Has a node say it again, with the time; `interactive`: each line of standard input.
Status echo(const MessagesCommand& command, bool interactive);

std::string version_text();

}  // namespace tlog::ctl
