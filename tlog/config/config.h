// File: tlog/config/config.h
// The configuration file (YAML) as checked values. One property table (config/properties.h) is the
// only place that knows keys, types, defaults, ranges and descriptions; the loader,
// configs/tlogdisk.schema.json, the commented configs/tlogdisk.yml and the man page's table come
// from it.
//
// Errors: `FILE:line:column: key: reason, expected ...`; unknown keys are errors and name the
// nearest known key; all errors of a file are reported, one per line. Relative paths are relative
// to the file and are made absolute here.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tlog/base/log.h"
#include "tlog/base/types.h"
#include "tlog/io/file.h"
#include "tlog/io/loop.h"

namespace tlog::config {

enum class Durability { kJournal, kCluster };

// What each of several tlogservers keeps: the whole log, or a part of it.
enum class Distribution { kMirror, kStripe };

// What is done when what is acknowledged is not stored (or not on the standby) within `max_ns`.
enum class OnLag { kThrottle, kAlarm, kFail };
struct LagLimit {
  std::uint64_t max_ns = 0;  // 0: none
  OnLag on_lag = OnLag::kThrottle;
};

struct Journal {
  std::string directory;                     // default "journal"
  std::uint64_t size = kGiB;                 // per vdisk
  std::string arena_directory = "/dev/shm";  // memory that outlives the process
  std::uint64_t arena_size = 64 * kMiB;      // per vdisk
  std::uint64_t hints_size = 256 * kMiB;     // per vdisk
  io::IoMode io = io::IoMode::kAuto;         // auto | uring | posix
};

struct Server {
  std::string address;  // "host:port" or "unix:/path"
  std::string db;
  std::string password_file;  // absolute; "" for none
};

struct Cluster {
  std::string name;
  std::vector<std::string> directories;              // embedded stores; or
  std::vector<Server> servers;                       // redis-protocol servers; never both
  std::uint64_t request_timeout_ns = 2'000'000'000;  // of servers, also of connecting
  std::size_t stores() const { return directories.size() + servers.size(); }
};

// How tlogservers are talked to: tlog.tls. Not there: in clear.
struct ServerTls {
  bool on = false;  // the section is there
  // Paths are absolute; "" for none.
  std::string ca_file;  // "": the system's authorities
  std::string certificate_file;
  std::string key_file;
  std::string psk_file;
  std::string psk_identity;
  std::string server_name;  // "": the host of the server's address
  bool verify = true;
};

struct Tlog {
  std::string cluster;               // that keeps the log; or
  std::vector<std::string> servers;  // tlogservers that do; never both
  Distribution distribution = Distribution::kMirror;
  unsigned stripes = 0;  // the log's parts, with as many servers each; 0: one for each server
  // Whose stores the servers of each stripe use, for who reads the log without them.
  std::vector<std::string> stripe_clusters;
  unsigned write_concern = 1;  // servers that have stored what counts as stored
  unsigned received = 0;       // servers that have received it, for a FLUSH; 0: stored counts
  ServerTls tls;
  bool insecure = false;  // the key may be handed over where others can read it
  unsigned data_shards = 4;
  unsigned parity_shards = 2;
  unsigned write_quorum = 0;      // 0: min(k+m, k+1)
  std::uint64_t flush_size = 25;  // records; a minimum, see tlog/aggregation
  std::uint64_t flush_time_ns = 25'000'000'000;
  Durability durability = Durability::kJournal;
  std::uint64_t stall_timeout_ns = 30'000'000'000;
  std::uint64_t scrub_every_ns = 86'400'000'000'000;  // in the background; 0: never
  std::uint64_t scrub_deep_every_ns = 604'800'000'000'000;
  std::uint64_t scrub_rate = 16 * kMiB;  // a second; 0: unbounded
  bool slave_sync = false;               // the vdisk's slaveStorage follows the log
  LagLimit lag;                          // of what is not stored; maxLag, onLag
  // Into how many parts the servers keep the log; 1: it is not striped.
  unsigned stripe_count() const;
};

// A second cluster that the blocks can be served from: slaveStorage.
struct SlaveStorage {
  std::string cluster;                              // "": none
  std::uint64_t failover_after_ns = 5'000'000'000;  // 0: never by itself
  LagLimit lag;                                     // of what is not on it yet; maxLag, onLag
};

// When a host may try to serve a vdisk that others are to serve too. Whether it may write is
// decided by the stores (flush/claim.h).
struct Coordination {
  std::vector<std::string> etcd;                // "http://host:port", https:// for TLS; none: no
                                                // coordination
  std::string prefix = "tlogdisk";              // of the keys there
  std::uint64_t lease_ttl_ns = 10'000'000'000;  // in seconds
  std::string host_name;                        // "": the system's
  bool standby = false;  // a client that connects waits for the takeover instead of being refused
  std::string ca_file;   // absolute; "": the system's authorities
  std::string user;      // "": none
  std::string password_file;  // absolute; "" for none
};

struct Vdisk {
  std::string name;
  std::string description;  // shown to clients that list the exports
  std::uint64_t size = 0;
  std::uint32_t block_size = 4096;
  bool read_only = false;
  std::string storage_file;                 // storage: {file: ...}, or
  std::string storage_cluster;              // storage: {cluster: NAME}; never both
  std::uint64_t storage_cache = 32 * kMiB;  // of a cluster's blocks; 0: none
  SlaveStorage slave;                       // only with storage: {cluster: NAME}
  Tlog tlog;                                // the file's defaults with the vdisk's own on top
  Coordination coordination;                // likewise
};

// A set of logs for the logset protocol of a tlogserver, one of the three.
struct Repo {
  std::string name;
  std::string directory;  // absolute: any logs, as files
  std::string copy;       // absolute: copies of vdisks' logs, verified
  std::string vdisk;      // the log of this vdisk, to be read only
};

// When a master whose stores have no log believes that there is none.
enum class LogCreate { kAll, kQuorum };

// A log of messages, without a block device.
struct Log {
  std::string name;
  std::string cluster;                   // that keeps it; "": the server's other stores
  std::vector<std::string> secondaries;  // tlogservers
  std::string master;                    // "": this server is; else its URL, for people
  unsigned quorum = 0;                   // nodes; 0: more than half
  LogCreate create = LogCreate::kAll;
};

// How much of a published log stands in its page.
enum class CasEmbed { kAll, kNone, kLast };

// A vdisk's log, for followers (REMOTE-LOG).
struct CasPublish {
  std::string vdisk;
  std::string embed_text = "last 5";  // as it stands in the file; what it means:
  CasEmbed embed = CasEmbed::kLast;
  unsigned embed_last = 5;  // of kLast
  std::string to;           // another service; "": this server's directory
  // Of `to`; paths are absolute, "" for none.
  std::string token_file;
  bool tls = false;     // also with a ca_file
  std::string ca_file;  // "": the system's authorities
  std::string server_name;
};

// Contents and names that a tlogserver has for others.
struct Cas {
  std::string directory;  // absolute; "": none
  std::vector<CasPublish> publish;
};

struct Config {
  std::string path;      // absolute, of the file
  std::string key_file;  // absolute
  Journal journal;
  std::vector<Cluster> clusters;  // in the file's order
  Tlog tlog;                      // the defaults of all vdisks
  Coordination coordination;      // likewise
  std::vector<Vdisk> vdisks;      // in the file's order
  std::vector<Repo> repos;        // in the file's order
  std::vector<Log> logs;          // likewise
  Cas cas;
  std::string control_socket;  // default "control.sock" beside the file, see docs/operations.md
  std::uint64_t memory_budget = 256 * kMiB;
  LogLevel log_level = LogLevel::kWarning;

  const Vdisk* find_vdisk(std::string_view name) const;
  const Log* find_log(std::string_view name) const;
  const Cluster* find_cluster(std::string_view name) const;
};

// Reads and checks. Touches nothing else: no key is read, no directory looked at.
Result<Config> load(io::FileSystem& files, const std::string& path);
// The same for text, as if it had been read from `path`.
Result<Config> parse(const std::string& text, const std::string& path);

// What is wrong with a file, and where. Line and column count from 1.
struct Problem {
  std::size_t line = 1;
  std::size_t column = 1;
  std::string key;     // "vdisks.vm1.size", "yaml" when the text is not YAML
  std::string reason;  // "too small: 100, expected ..."
  friend bool operator==(const Problem&, const Problem&) = default;
};
std::string format_problem(const Problem& problem, const std::string& path);
std::string format_problems(const std::vector<Problem>& problems, const std::string& path);

// Where the keys of a file stand. A trail is the way to a key, its parts separated by '/', which no
// name may contain: "vdisks/vm1/size".
struct Position {
  std::size_t line = 1;
  std::size_t column = 1;
};
using Positions = std::map<std::string, Position>;
// Of the key itself, else of the nearest section around it.
Position position_in(const Positions& positions, std::string trail);

// As parse(), for who wants the problems one by one; `config` is of use only when there are none.
struct Checked {
  Config config;
  std::vector<Problem> problems;  // in the file's order, at most kConfigProblemsMax
  Positions positions;            // of all keys that stand in it
};
Checked check(const std::string& text, const std::string& path);
// Its text, refused when it is longer than kConfigFileMax.
Result<std::string> read(io::FileSystem& files, const std::string& path);

// Where a process listens for tlogctl: controlSocket when it serves all vdisks (`only_vdisk`
// empty), and when it serves one vdisk of them the same with "-NAME" before the extension, so that
// processes do not meet.
std::string control_socket_path(const Config& config, std::string_view only_vdisk);

// A vdisk or cluster name: 1-64 of [A-Za-z0-9._-], not starting with a dot or dash.
bool is_valid_name(std::string_view name);
// "10GiB", "64 MiB", "10G", "4096" -> bytes (binary units only); "25s", "500ms", "2m", "1h" ->
// nanoseconds.
Result<std::uint64_t> parse_size(std::string_view text);
Result<std::uint64_t> parse_duration_ns(std::string_view text);
// The shortest text that the functions above read back as the same number.
std::string format_size(std::uint64_t bytes);
std::string format_duration_ns(std::uint64_t ns);

std::string json_schema();   // configs/tlogdisk.schema.json
std::string example_file();  // configs/tlogdisk.yml, every key with its description and default
std::string manual_table();  // the keys of tlogdisk.yml(5), in POD

}  // namespace tlog::config
