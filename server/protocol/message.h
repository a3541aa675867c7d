// Message: what a tlog client and a tlogserver say to each other besides the records themselves
// (docs/protocol.md). Cap'n Proto (server/protocol/protocol.capnp), a union of the structs below.
//
// A session has two connections. On the control connection the client says Hello and the server
// Welcome, or Refusal and closes. On the data connection the client says Attach with the session's
// token, the server Attached; then records are streamed (batch.h), nobody answers them one by one:
// Progress on the control connection says how far the server has come.
//
// Threading: values and pure functions.
// Errors: decode(): kCorruption naming what is wrong, kNotSupported for a message of a newer
// version. Texts and lists are bounded (kTextMax); it never trusts a length.
// Secrets: Hello's key. Every KeyBytes wipes what it lets go of, and encoding and decoding make no
// copies of a message's bytes but a wiped one (when what is decoded is not aligned). What remains
// is the frame's body: who sends a Hello wipes it when it has been sent (base/wipe.h), who receives
// a message decodes it with decode_and_wipe().
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/limits.h"
#include "tlog/base/wipe.h"
#include "tlog/format/metadata.h"

namespace tlog::protocol {

// Both sides say which versions they speak; the highest common one is used.
constexpr std::uint16_t kVersionMin = 1;
constexpr std::uint16_t kVersion = 1;

constexpr std::size_t kKeyBytes = 32;
using KeyBytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

constexpr std::size_t kReplyTextMax = 768 * kKiB;
constexpr std::size_t kReplySequencesMax = 16 * kKiB;

// A position in one server's log. Other servers cut their aggregations elsewhere: between servers
// only sequences are compared.
struct LogPosition {
  Epoch epoch = 0;
  AggregationNumber number = 0;  // the newest aggregation, 0: the log is empty
  Sequence sequence = 0;         // its last
  TimestampNs timestamp = 0;     // of that record
  Hash256 hash;                  // of the aggregation
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

// What a client wants, and what is in force: 0 means "the server's default".
struct Settings {
  std::uint64_t flush_size = 0;     // records of an aggregation, at least
  std::uint64_t flush_time_ns = 0;  // after which a smaller one is stored
  std::uint32_t write_quorum = 0;   // stores
  bool slave_sync = false;          // the server keeps the vdisk's standby (--with-slave-sync)
  friend bool operator==(const Settings&, const Settings&) = default;
};

enum class Role : std::uint8_t {
  kWriter = 1,  // the one that sends records
  kReader = 2,  // reads the log, changes nothing; no data connection is needed for status only
};

struct Hello {
  std::uint16_t version_min = kVersionMin;
  std::uint16_t version_max = kVersion;
  Role role = Role::kWriter;
  std::string client;  // "host:pid", for people
  Uuid journal;        // the writer's: what tells it from others, across its reconnections
  // The name always; the rest for a writer: it must be the log's, or is what the log is created
  // with. k and m of 0: the server's.
  format::VdiskFormat format;
  bool may_create = false;
  // The log was written by another journal last, or is being written: take it over all the same.
  bool take_over = false;
  Settings settings;
  // The master key, only where nobody else can read it (TLS, Unix socket, --insecure). Empty: the
  // server's own.
  KeyBytes key;
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {
  std::uint16_t version = kVersion;
  Uuid server;   // the process: another one after a restart
  Uuid session;  // token for Attach
  // Of the stores that have the log: two servers that say the same write one log, in turns, and
  // count as one.
  Uuid log;
  format::VdiskFormat format;
  Epoch epoch = 0;        // of this session's writer; 0 for a reader
  LogPosition stored;     // the log's end; sending begins behind `received`
  Sequence received = 0;  // >= stored.sequence: records the server still has of this client
  bool created = false;
  Settings settings;                   // in force
  std::uint64_t batch_bytes_max = 0;   // body of a records frame
  std::uint64_t memory_bytes_max = 0;  // that the server keeps for this session
  friend bool operator==(const Welcome&, const Welcome&) = default;
};

struct Refusal {  // then the connection ends
  Code code = Code::kUnavailable;
  std::string reason;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

struct Attach {
  Uuid session;
  friend bool operator==(const Attach&, const Attach&) = default;
};
struct Attached {
  friend bool operator==(const Attached&, const Attached&) = default;
};

// From the server, whenever there is news; several may be told by one.
struct Progress {
  Sequence received = 0;  // has, in memory at least
  Sequence stored = 0;    // committed to its stores
  Sequence synced = 0;    // on the standby that this server keeps
  friend bool operator==(const Progress&, const Progress&) = default;
};

// Requests that are answered by a Reply with the same id.
struct ForceFlush {  // store all up to `sequence` now
  std::uint64_t id = 0;
  Sequence sequence = 0;
  friend bool operator==(const ForceFlush&, const ForceFlush&) = default;
};
struct WaitSlaveSync {  // all received before this call is on the standby
  std::uint64_t id = 0;
  std::uint64_t timeout_ns = 0;
  friend bool operator==(const WaitSlaveSync&, const WaitSlaveSync&) = default;
};
struct StatusRequest {
  std::uint64_t id = 0;
  friend bool operator==(const StatusRequest&, const StatusRequest&) = default;
};
// The records from `first` on are sent on the data connection, in order; then Reply with the last.
struct ReadLog {
  std::uint64_t id = 0;
  Sequence first = 0;
  Sequence last = 0;  // inclusive
  friend bool operator==(const ReadLog&, const ReadLog&) = default;
};
struct Reply {
  std::uint64_t id = 0;
  std::optional<Error> error;
  std::vector<Sequence> sequences;
  std::string text;  // status: JSON
};

struct Echo {  // answered with `server_ns` filled in
  std::uint64_t id = 0;
  TimestampNs client_ns = 0;
  TimestampNs server_ns = 0;
  friend bool operator==(const Echo&, const Echo&) = default;
};

struct Disconnect {  // the last message; the other side closes
  Code code = Code::kShutdown;
  std::string reason;
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};

using Message = std::variant<Hello, Welcome, Refusal, Attach, Attached, Progress, ForceFlush,
                             WaitSlaveSync, StatusRequest, ReadLog, Reply, Echo, Disconnect>;

// Texts for people are cut at kTextMax. A vdisk's name that is longer is refused by whoever decodes
// it, never taken for another's. A Reply with more than can be sent (kReplyTextMax,
// kReplySequencesMax) is sent as an error that says so.
Buffer encode(const Message& message);
Result<Message> decode(ConstByteSpan body);
// The same, and the body is wiped, since it may have held a key.
Result<Message> decode_and_wipe(ByteSpan body);
std::string_view message_name(const Message& message);

// The highest version both speak. kNotSupported naming both ranges.
Result<std::uint16_t> choose_version(const Hello& hello);

}  // namespace tlog::protocol
