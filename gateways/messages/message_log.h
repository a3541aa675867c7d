// MessageLog: a log of messages as one of its nodes has it: the master, who takes them, or a
// secondary, who is sent them. A message is a `mark` record; its id is its sequence. What is shown
// is what this node has stored, which is always a prefix of the master's order.
//
// Threading: any thread; append(), stored() and read() block. stop() ends who waits, soon.
// Durability: append(): it is stored by the master and w - 1 secondaries.
// Errors: append(): see there; read(): those of server::ServedLog.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/limits.h"
#include "tlog/base/types.h"

namespace tlog::messages {

constexpr std::uint64_t kMessageBytesMax = kMarkNameMax;

struct Message {
  Sequence id = 0;
  TimestampNs timestamp = 0;
  std::string text;
};

enum class Role { kMaster, kSecondary };

enum class NodeState { kHealthy, kSuspected, kUnhealthy };

struct NodeHealth {
  std::string address;
  NodeState state = NodeState::kSuspected;
  std::string reason;            // "" when it is healthy
  TimestampNs heartbeat_ns = 0;  // of the last sign of life, 0: never
  std::uint64_t failures = 0;    // since it was last sent to
  Sequence stored = 0;           // what it has
};

struct LogHealth {
  Role role = Role::kMaster;
  std::string unwell;    // why no messages are taken, "" when they are; of a secondary: read
  unsigned nodes = 1;    // all there are
  unsigned quorum = 1;   // that have to be there
  unsigned present = 1;  // that are
  Sequence stored = 0;   // here
  std::vector<NodeHealth> secondaries;
};

struct Appended {
  Sequence id = 0;
  // Nothing: it is where it was wanted. Else it is in the log, and why more is not known.
  std::optional<Error> unconfirmed;
};

class MessageLog {
 public:
  virtual ~MessageLog() = default;
  virtual const std::string& name() const = 0;
  virtual Role role() const = 0;
  virtual unsigned nodes() const = 0;      // the greatest w
  virtual std::string master() const = 0;  // where messages are taken; "": here, or not known

  // `w`: 1 to nodes(). Waits until so many nodes have stored it, or `gone` says that nobody waits
  // for the answer any more. Nothing was appended: kUnavailable (no quorum, not open yet, too many
  // wait already), kFenced, kIoError, kNotSupported (a secondary), kShutdown.
  virtual Result<Appended> append(std::string_view text, unsigned w,
                                  const std::function<bool()>& gone) = 0;

  // How many there are here.
  virtual Result<Sequence> stored() = 0;
  // Visits messages first .. last, in order, as far as a piece of moderate size reaches: answers
  // the last that was read. `last` is at most what stored() has said.
  using Visitor = std::function<void(Message)>;
  virtual Result<Sequence> read(Sequence first, Sequence last, const Visitor& visitor) = 0;
  // Until more than `known` are here, or for so long.
  virtual void wait_more(Sequence known, std::uint64_t timeout_ns) = 0;

  virtual LogHealth health() = 0;
  virtual void stop() = 0;
};

}  // namespace tlog::messages
