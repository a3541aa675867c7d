// File: ctl/control_protocol.h
// What tlogctl and the server say to each other over the control socket: one JSON object a line.
//   {"command":"ping"}
//   {"command":"status"}                                        (with "vdisk": only this one)
//   {"command":"mark","vdisk":"vm1","name":"before upgrade"}
//   {"command":"flush","vdisk":"vm1","timeoutMs":60000}
//   {"command":"reload"}
//   {"command":"scrub","vdisk":"vm1","deep":true,"repair":true,"bytesPerSecond":67108864}
//   {"command":"wait-slave-sync","vdisk":"vm1","timeoutMs":60000}
//   {"command":"failover","vdisk":"vm1","timeoutMs":60000,"acceptLoss":false,"keepFollowing":true}
//   {"command":"resync","vdisk":"vm1","force":false}
// Answers: {"ok":true,...} or {"ok":false,"error":"...","code":"not found"}; the codes are
// code_name()'s words. Unknown keys are ignored on both sides, so that either may be newer. Docs:
// tlogctl(1). Threading: pure functions and values. Errors: kInvalidArgument (a request),
// kCorruption (an answer).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::control {

constexpr std::size_t kRequestBytesMax = 64 * kKiB;
constexpr std::size_t kReplyBytesMax = 4 * kMiB;
constexpr std::uint64_t kFlushTimeoutMsDefault = 60'000;
constexpr std::uint64_t kFlushTimeoutMsMax = 24 * 3'600'000;

enum class Command {
  kPing,
  kStatus,
  kReload,
  kMark,
  kFlush,
  kScrub,
  kWaitSlaveSync,
  kFailover,
  kResync,
};

struct Request {
  Command command = Command::kPing;
  std::string vdisk = {};  // of all but kPing and kReload; of kStatus it may be empty: all
  std::string name = {};   // of kMark
  std::uint64_t timeout_ms = kFlushTimeoutMsDefault;  // of kFlush, kWaitSlaveSync and kFailover
  bool deep = false;                                  // of kScrub, as the rest
  bool repair = false;
  std::uint64_t bytes_per_second = 0;
  bool accept_loss = false;     // of kFailover: go over although acknowledged writes are missing
  bool keep_following = false;  // of kFailover: a failback, what is left becomes the standby
  bool force = false;           // of kResync: discard what is not the vdisk's
};

struct StoreReport {
  std::string name;
  bool usable = false;
  std::string condition;
  std::uint64_t put_bytes = 0;
  std::uint64_t get_bytes = 0;
  std::uint64_t errors = 0;
  std::uint64_t queued_bytes = 0;
  std::string state = {};    // state_name()'s words; "" from an older server
  std::string server = {};   // its uuid, of a redis-protocol server
  std::string warning = {};  // of a store that works and is not configured well
  // Of a server of block storage that is refilled from the log: the sequences it has, of those that
  // it must have; 0: it lacks nothing.
  Sequence has = 0;
  Sequence wanted = 0;
  // Of a store of the log: its shards that are to be looked up there, or made anew from others.
  std::uint64_t left = 0;
};

// session::LogServerStatus.
struct LogServerReport {
  std::string address = {};
  std::string stripe = {};  // "0 of 2"; "": all of the log
  std::string state = {};   // for people: "sending", "connecting", ...
  std::string reason = {};
  Sequence sent = 0;
  Sequence received = 0;
  Sequence stored = 0;
  Sequence synced = 0;
  std::uint64_t connections = 0;
  std::uint64_t resent_records = 0;
  std::uint64_t round_trip_us = 0;
};

// One kind of scrub in the background, as session::ScrubSchedule has it. Times are wall clock; 0:
// none, never, or an older server.
struct BackgroundScrubReport {
  bool running = false;
  std::uint64_t began_ns = 0;  // the one under way, perhaps interrupted, as the next six
  AggregationNumber done = 0;
  AggregationNumber last = 0;
  std::uint64_t missing = 0;
  std::uint64_t wrong = 0;
  std::uint64_t unreachable = 0;
  std::uint64_t mended = 0;
  std::uint64_t next_ns = 0;
  std::uint64_t finished_ns = 0;  // the last one, as the rest
  std::uint64_t finished_missing = 0;
  std::uint64_t finished_wrong = 0;
  std::uint64_t finished_unreachable = 0;
  std::uint64_t finished_mended = 0;
};

// session::SyncPosition; the hash in hexadecimal digits.
struct PositionReport {
  Epoch epoch = 0;
  Sequence sequence = 0;
  AggregationNumber aggregation = 0;
  std::string hash = {};
};

// session::StandbyStatus.
struct StandbyReport {
  std::string state = {};    // standby_state_name()'s words
  std::string reason = {};   // why it is not in sync, or refused
  std::string primary = {};  // the vdisk's own cluster: `storage` in the configuration
  std::string active = {};   // the cluster that has the blocks now
  std::string standby = {};  // the one that follows, or would
  std::string phase = {};    // of the failover under way
  bool was_complete = false;
  PositionReport synced = {};
  std::uint64_t lag_records = 0;
  std::uint64_t lag_ms = 0;
  std::uint64_t applied_bytes = 0;
  std::uint64_t failing_ms = 0;  // for how long the active cluster has been failing
  std::uint64_t failover_after_ms = 0;
  std::vector<StoreReport> servers = {};
  std::string receipt = {};  // the last one, session::receipt_summary_json(); "": none
};

// session::VdiskStatus as it travels. The watermarks keep their names everywhere.
struct VdiskReport {
  std::string name;
  std::string uuid;
  // state_name()'s words, or "closed": served, and opened by nobody yet, or "standby": another host
  // serves it.
  std::string state;
  std::string reason;
  std::uint64_t size = 0;
  Epoch epoch = 0;
  Sequence appended = 0;
  Sequence durable = 0;
  Sequence stored = 0;
  Sequence applied = 0;
  std::uint64_t journal_bytes_used = 0;
  std::uint64_t journal_bytes_total = 0;
  std::uint64_t arena_bytes_used = 0;
  std::uint64_t arena_bytes_total = 0;
  std::uint64_t overlay_extents = 0;
  std::uint64_t reads = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t writes = 0;
  std::uint64_t write_bytes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t slowed = 0;
  std::uint64_t stalls = 0;
  AggregationNumber committed = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t missing_shards = 0;
  std::uint64_t buffered_bytes = 0;
  std::uint64_t hinted_bytes = 0;
  std::string waiting_for;
  bool scrub_running = false;
  bool scrub_deep = false;
  std::uint64_t scrub_runs = 0;
  AggregationNumber scrub_done = 0;
  AggregationNumber scrub_last = 0;
  std::uint64_t scrub_checked = 0;
  std::uint64_t scrub_missing = 0;
  std::uint64_t scrub_wrong = 0;
  std::uint64_t scrub_unreachable = 0;
  std::uint64_t scrub_bytes = 0;
  std::string scrub_finding;
  BackgroundScrubReport light_scrub;
  BackgroundScrubReport deep_scrub;
  std::string background_scrub_waiting;  // why none runs that is due
  // Of its coordination with other hosts.
  std::string lease;                   // lease_state_name()'s words; "": not coordinated
  std::string lease_holder;            // the host that has it; "": none, or not known
  std::uint64_t lease_ends_in_ms = 0;  // unless it is renewed; 0: not known
  std::string lease_reason;
  // Of the process that serves it. Times are wall clock; 0: never, or an older server.
  std::string config_source;
  std::uint64_t config_generation = 0;
  std::uint64_t config_loaded_ns = 0;
  std::string config_error;  // of the newest look at the configuration; "": it was good
  std::uint64_t config_error_ns = 0;
  std::vector<StoreReport> stores;           // of the log, in their order; or
  std::vector<LogServerReport> log_servers;  // the tlogservers that keep it
  std::vector<StoreReport> block_servers;    // the same of block storage on a cluster
  std::optional<StandbyReport> standby;      // of a vdisk with slaveStorage
  // What somebody has to look after, "WORD: in full"; the words are those of docs/failover.md.
  std::vector<std::string> alarms;
};

struct Reply {
  std::uint64_t pid = 0;            // of the server
  std::uint64_t monotonic_ns = 0;   // when it looked: for rates
  Sequence sequence = 0;            // of kMark, kFlush and kWaitSlaveSync
  std::vector<VdiskReport> vdisks;  // of kStatus, kScrub and kResync
  // Of kReload:
  std::string config_source = {};
  std::uint64_t config_generation = 0;
  std::vector<std::string> changes = {};  // "KEY: OLD -> NEW"; none: nothing was different
  std::string receipt = {};               // of kFailover, as StandbyReport's
};

std::string encode_request(const Request& request);  // with the final newline, as all of these
Result<Request> decode_request(std::string_view line);
std::string encode_reply(const Reply& reply);
std::string encode_error(const Error& error);
// The error of the server is the error here.
Result<Reply> decode_reply(std::string_view line);

// The reports as `tlogctl status --json` prints them.
std::string reports_json(const std::vector<VdiskReport>& vdisks);

}  // namespace tlog::control
