// HostedLog: one vdisk's log in a server: being opened, open, or being closed; who writes it, and
// who waits for it. The registry makes and ends them.
//
// Threading: loop thread, except what a reading does with the log (see Registry::reading_begins).
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "server/log/served_log.h"
#include "server/serve/core.h"
#include "server/serve/wish.h"

namespace tlog::server {

// The session that writes a log. Told on the loop's thread.
class LogUser {
 public:
  virtual ~LogUser() = default;
  virtual void on_received() = 0;
  virtual void on_stored() = 0;
  virtual void on_synced() = 0;
  virtual void on_room() = 0;  // perhaps more may be taken
  // The log is another's now, or cannot go on: it is not to be touched any more.
  virtual void on_taken_away(const Error& why) = 0;
};

struct HostedLog {
  enum class State { kOpening, kOpen, kClosing };
  using Opened = std::function<void(Result<std::shared_ptr<HostedLog>>)>;
  struct Waiting {
    Wish wish;
    Opened done;
  };

  std::string vdisk;
  State state = State::kOpening;
  Wish holder;  // who has opened it, or come back to it
  TimestampNs since = 0;
  std::unique_ptr<ServedLog> log;  // while open
  std::unique_ptr<SlaveSync::Standby> standby;
  std::string no_standby;  // why there is none, of a client that asked for one
  LogUser* user = nullptr;
  std::optional<Error> failed;

  // What is known of it also while the log is being closed.
  Sequence received = 0;
  Sequence stored = 0;
  Sequence synced = 0;
  std::uint64_t counted_bytes = 0;  // of Core::memory_bytes
  bool held_back = false;           // it holds too much of it, and is to be told when it may go on

  io::TimerId linger = 0;
  // Closed as soon as all that was taken is stored, however long that is: nobody has come back for
  // it (who wrote it still may), or nobody will.
  enum class Leaving { kNo, kNobodyCame, kForGood };
  Leaving leaving = Leaving::kNo;
  std::string waiting_for;  // the last that was said; also while it is being closed
  unsigned readings = 0;
  std::atomic<bool> ending{false};           // readings end soon
  std::optional<std::uint64_t> close_by_ns;  // to be closed as soon as nobody reads
  std::deque<Waiting> waiting;
};

}  // namespace tlog::server
